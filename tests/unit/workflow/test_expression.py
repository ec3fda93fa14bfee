"""The three flavours of expressions, their values and their errors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosml.workflow.expression import ExpressionError, Flavour, parse

LAST = {
    "retries": "1",
    "lastRetry": {"exitCode": "143", "status": "Failed", "message": "main: Error (exit code 143)"},
    "inputs": {"parameters": {"n": "4", "run-id": "r7", "list": '[{"name":"a"},{"name":"b"}]'}},
}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("7 / 2", 3.5),
        ("7 % 4", 3),
        ("2 ** 3 ** 2", 512.0),
        ("2 ^ 3", 8.0),
        ("-2 + 5", 3),
        ("'a' + \"b\" + `c`", "abc"),
        ("1_000", 1000),
        ("0x10", 16),
        ("1.5e2", 150.0),
        ("1 < 2 and 2 <= 2 && 3 > 2 && 3 >= 3", True),
        ("'abc' < 'abd'", True),
        ("1 == 1.0", True),
        ("'1' == 1", False),
        ("1 == true", False),
        ("nil == nil", True),
        ("1 != 2 or false", True),
        ("not (1 == 2)", True),
        ("!false", True),
        ("2 in [1, 2]", True),
        ("3 not in [1, 2]", True),
        ("'a' in {a: 1}", True),
        ("'pod deleted' matches 'imminent node shutdown|pod deleted'", True),
        ("'x' not matches '^y'", True),
        ("'trainer' contains 'rain'", True),
        ("'trainer' startsWith 'tr' and 'trainer' endsWith 'er'", True),
        ("true ? 'yes' : 'no'", "yes"),
        ("false ? 1 : true ? 2 : 3", 2),
        ("nil ?? 'default'", "default"),
        ("[1, 2, 3][-1]", 3),
        ("{'a': {'b': 5}}.a['b']", 5),
        ("{}.missing", None),
        ("nil?.a", None),
        ("asInt('4') + int(2.9)", 6),
        ("asFloat('1.5') + float(1)", 2.5),
        ("string(3)", "3"),
        ("len('abc') + len([1])", 4),
        ("toJson({'b': 1, 'a': [true, nil, '<']})", '{"a":[true,null,"\\u003c"],"b":1}'),
        ("jsonpath('{\"a\":[{\"b\":7}]}', '$.a[0].b')", 7),
        ("upper(trim(' a ')) + lower('B')", "Ab"),
        ("join(split('a,b', ','), '-')", "a-b"),
        ("min(3, 1, 2) + max(1, 2)", 3),
        ("round(2.5)", 3.0),
        ("first([4]) + last([5, 6])", 10),
        ("sprig.trimSuffix('.npz', 'model.npz')", "model"),
        ("sprig.default('x', '')", "x"),
        ("sprig.ternary('a', 'b', 1 == 1)", "a"),
        ("sprig.int('no number')", 0),
        ("sprig.replace('a', 'o', 'banana')", "bonono"),
        ("sprig.div(-7, 2)", -3),
        ("sprig.b64dec(sprig.b64enc('hi'))", "hi"),
        ("sprig.trunc(2, 'hello')", "he"),
    ],
)
def test_an_expression_has_the_value_that_expr_lang_gives_it(source, value):
    result = parse(source).evaluate({})
    assert result == value
    assert type(result) is type(value) or isinstance(value, float | int)


@pytest.mark.parametrize(
    ("source", "holds"),
    [
        ("lastRetry.exitCode != '2'", True),
        ("asInt(lastRetry.exitCode) in [143, 137, 255, -1]", True),
        ("lastRetry.message matches 'pod deleted|exit code 143'", True),
        ("asInt(retries) < 1 || lastRetry.status == 'Error'", False),
        ("inputs.parameters['run-id'] == 'r7'", True),
        ("jsonpath(inputs.parameters.list, '$[1].name') == 'b'", True),
    ],
)
def test_a_retry_condition_sees_the_last_attempt_as_strings(source, holds):
    assert parse(source).holds(LAST) is holds


def test_the_side_that_does_not_matter_is_not_evaluated():
    assert parse("false && unknown.x == 1").holds({}) is False
    assert parse("true || unknown.x == 1").holds({}) is True
    assert parse("true ? 1 : unknown").evaluate({}) == 1


@pytest.mark.parametrize(
    ("source", "message", "position"),
    [
        ("", "the expression is empty", 0),
        ("1 +", "expected a value, found the end", 3),
        ("a b", "expected an operator or the end, found 'b'", 2),
        ("(1", "expected ')', found the end", 2),
        ("'open", "has no closing '", 0),
        ("a € b", "unexpected character '€'", 2),
        ("1 == asint('2')", "asint is not supported; did you mean asInt?", 5),
        ("sprig.uuidv4()", "sprig.uuidv4 is not supported", 0),
        ("filter([1])", "filter needs a predicate", 0),
        ("# > 1", "'#' is not supported: it stands for an item", 0),
        ("now()", "the function now is not supported", 0),
        ("'a' | 1", "expected a function after |", 6),
        ("map([1], #acc2)", "#acc2 is neither #acc nor #index", 9),
        ("x matches '('", "no regular expression", 2),
        ("a.b()", "the function b is not supported here", 2),
        ("{'a' 1}", "expected ':', found '1'", 5),
    ],
)
def test_a_wrong_expression_names_the_place(source, message, position):
    with pytest.raises(ExpressionError) as caught:
        parse(source)
    assert message in str(caught.value)
    assert caught.value.position == position


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("unknown == 1", "unknown name unknown (known: retries)"),
        ("'a' + 1", "both sides must be numbers, or both strings"),
        ("'a' < 1", "both sides must be numbers, or both strings"),
        ("'a' in 'abc'", "the right side must be a list or a map"),
        ("1 and true", "&& wants true or false, not 1"),
        ("not 1", "! wants true or false, not 1"),
        ("-'a'", "- wants a number"),
        ("1 / 0", "division by zero"),
        ("[1][3]", "index 3 is outside of 0..0"),
        ("asInt('x')", "asInt: 'x' is not an integer"),
        ("retries.x", "cannot look up 'x'"),
        ("fromJSON('{')", "fromJSON: "),
    ],
)
def test_what_cannot_be_evaluated_says_why(source, message):
    with pytest.raises(ExpressionError) as caught:
        parse(source).evaluate({"retries": "0"})
    assert message in str(caught.value)


def test_a_condition_that_is_no_boolean_is_refused():
    with pytest.raises(ExpressionError, match="must be true or false, but is 3"):
        parse("1 + 2").holds({})


@pytest.mark.parametrize(
    "source",
    ["(" * 500 + "1" + ")" * 500, "-" * 500 + "1", "+".join("1" * 500), "[" * 500, "a" * 9000],
)
def test_an_expression_that_would_run_away_is_refused(source):
    with pytest.raises(ExpressionError):
        parse(source)


@pytest.mark.parametrize(
    ("source", "holds"),
    [
        ("foo == foo", True),
        ("foo != bar", True),
        ("'a b' == \"a b\"", True),
        ("3 > 2 && 1 <= 1", True),
        ("5 == '5'", False),
        ("true", True),
        ("!(a == b) || false", True),
        ("a in (b, a)", True),
        ("1.50 == 1.5", True),
        ("heads =~ '^he'", True),
        ("heads !~ '^ta'", True),
        ("-1 < 0", True),
        ("a == b ? false : true", True),
    ],
)
def test_in_when_a_bare_word_is_a_string(source, holds):
    assert parse(source, Flavour.WHEN).holds({}) is holds


@pytest.mark.parametrize(
    "source", ["", " == a", "two words == x", "a.b == c", "f(1)", "a ==", "[a]"]
)
def test_when_refuses_what_govaluate_does_not_read(source):
    with pytest.raises(ExpressionError):
        parse(source, Flavour.WHEN)


def test_a_when_with_unquoted_words_hints_at_quotes():
    with pytest.raises(ExpressionError, match="put values that are not single words into quotes"):
        parse("two words == x", Flavour.WHEN)


@pytest.mark.parametrize(
    ("source", "holds"),
    [
        ("a", True),
        ("skipped", True),
        ("failed", False),
        ("failed.Failed", True),
        ("omitted", False),
        ("omitted.Omitted && a.Succeeded", True),
        ("(failed || a) && !errored.Failed", True),
        ("errored.Errored", True),
        ("a-1", True),
    ],
)
def test_depends_asks_for_results_of_tasks(source, holds):
    results = {
        "a": {"Succeeded"},
        "a-1": {"Succeeded"},
        "failed": {"Failed"},
        "errored": {"Errored"},
        "skipped": {"Skipped"},
        "omitted": {"Omitted"},
    }
    assert parse(source, Flavour.DEPENDS).holds(results) is holds


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("a.Succeded", "did you mean Succeeded?"),
        ("a.Nonsense", "results are Succeeded"),
        ("a b", "expected an operator or the end"),
        ("a == b", "expected an operator or the end"),
        ("a &&", "expected a value"),
        ("'a'", "expected a value"),
    ],
)
def test_a_wrong_depends_is_refused(source, message):
    with pytest.raises(ExpressionError) as caught:
        parse(source, Flavour.DEPENDS)
    assert message in str(caught.value)


def test_an_expression_knows_what_it_refers_to():
    assert parse("a.b['c-d'] + e[0].f + len(h)").references == (
        "a.b.c-d",
        "e",
        "h",
    )
    assert parse("x.Failed || y && x", Flavour.DEPENDS).references == ("x", "y")
    assert parse("m[tasks.a.outputs.result]").references == ("m", "tasks.a.outputs.result")


@given(st.text(alphabet="ab1.'\"()[]{}&|!<>=+-*/%?:, \tin#\\", max_size=40))
def test_any_text_parses_or_is_an_expression_error(source):
    for flavour in Flavour:
        scope = {"a": {"Failed"}} if flavour is Flavour.DEPENDS else {"a": 1, "b": "x"}
        position = 0
        try:
            parse(source, flavour).evaluate(scope)
        except ExpressionError as error:
            position = error.position
        assert 0 <= position <= len(source)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("filter([1, 2, 3], # > 1)", [2, 3]),
        ("filter([1, 2, 3], {# > 1})", [2, 3]),
        ("map(1..3, # * 2)", [2, 4, 6]),
        ("map(xs, .a)", [1, 2]),
        ("map(xs, #.a + #index)", [1, 3]),
        ("xs | filter(.a > 1) | map(.a) | first()", 2),
        ("any(xs, .a == 2) && all(xs, .a > 0) && none(xs, .a > 2) && one(xs, .a == 1)", True),
        ("find(xs, .a > 0).a", 1),
        ("findLast(xs, .a > 0).a", 2),
        ("findIndex([5, 6], # == 6)", 1),
        ("findIndex([5, 6], # == 7)", None),
        ("count(xs, .a > 1) + count([true, false])", 2),
        ("sum(xs, .a)", 3),
        ("reduce([1, 2, 3], #acc + #)", 6),
        ("reduce([1, 2, 3], #acc + #, 10)", 16),
        ("map(sortBy(xs, .a, 'desc'), .a)", [2, 1]),
        ("groupBy([1, 2, 3], # % 2)", {1: [1, 3], 0: [2]}),
        ("map([[1, 2], [3]], filter(#, # > 1))", [[2], [3]]),
        ("let x = 2; let y = x + 1; x * y", 6),
        ("[1, 2, 3, 4][1:3]", [2, 3]),
        ("'hello'[:2] + 'hello'[3:]", "helo"),
        ("1 + 2 | string()", "3"),
        ("'a,b' | split(',') | join('-') | upper()", "A-B"),
        ("toJSON({'a': [1, 2.0]})", '{\n  "a": [\n    1,\n    2\n  ]\n}'),
        ("toJson({'a': [1, 2.0]})", '{"a":[1,2]}'),
        ("max([1, 5], 3) - min(2, 4)", 3),
        ("type(1.5) + type([]) + type(nil)", "floatarraynil"),
        ("toPairs({'b': 1, 'a': 2})", [["a", 2], ["b", 1]]),
        ("flatten([1, [2, [3]]])", [1, 2, 3]),
        ("uniq([1, 1, 2])", [1, 2]),
    ],
)
def test_lists_are_worked_on_with_predicates_pipes_and_slices(source, value):
    assert parse(source).evaluate({"xs": [{"a": 1}, {"a": 2}]}) == value


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("sprig.int('010')", 8),
        ("sprig.int('1.0') + sprig.int('1.5') + sprig.int('x')", 1),
        ("sprig.round(1.256, 2)", 1.26),
        ("sprig.mod(-7, 3)", -1),
        ("sprig.untilStep(0, 10, 3)", [0, 3, 6, 9]),
        ("sprig.until(3)", [0, 1, 2]),
        ("sprig.substr(1, 3, 'hello')", "el"),
        ("sprig.trunc(-2, 'hello')", "lo"),
        ("sprig.dict('a', 1, 'b')", {"a": 1, "b": ""}),
        ("sprig.dig('a', 'b', 'none', {'a': {'b': 'c'}})", "c"),
        ("sprig.dig('a', 'x', 'none', {'a': {'b': 'c'}})", "none"),
        ("sprig.splitn('-', 2, 'a-b-c')", {"_0": "a", "_1": "b-c"}),
        ("sprig.coalesce('', 0, 'x')", "x"),
        ("sprig.plural('one', 'many', 2)", "many"),
        ("sprig.quote('a\"b', 1)", '"a\\"b" "1"'),
        ("sprig.indent(2, 'a')", "  a"),
        ("sprig.pick({'a': 1, 'b': 2}, 'a')", {"a": 1}),
        ("sprig.without([1, 2], 2)", [1]),
        ("sprig.kindOf(1.5) + sprig.kindOf([])", "float64slice"),
        ("sprig.adler32sum('abc')", "38600999"),
        ("sprig.sha1sum('abc')", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("sprig.regexReplaceAllLiteral('b+', 'abba', '$1')", "a$1a"),
    ],
)
def test_functions_of_sprig_give_what_sprig_gives(source, value):
    assert parse(source).evaluate({}) == value


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("filter(1, # > 1)", "filter wants a list"),
        ("filter([1], # + 1)", "the predicate must be true or false"),
        ("1..1000000", "more than 100000 numbers"),
        ("sprig.repeat(1000000, 'xx')", "cannot repeat it"),
        ("sum(['a'])", "every item must be a number"),
        ("reduce([], #acc + #)", "no initial value"),
        ("[1]['a':2]", "cannot cut"),
    ],
)
def test_a_function_that_cannot_be_applied_says_so(source, message):
    with pytest.raises(ExpressionError) as caught:
        parse(source).evaluate({})
    assert message in str(caught.value)


def test_what_an_expression_brings_itself_is_no_reference():
    assert parse("let x = a.b; map(c, .d + # + #index + x.y + e)").references == ("a.b", "c", "e")


@pytest.mark.parametrize("name", ["now", "sprig.now", "sprig.uuidv4", "sprig.randAlpha", "env"])
def test_what_depends_on_more_than_arguments_is_refused_by_name(name):
    with pytest.raises(ExpressionError) as caught:
        parse(f"{name}()")
    assert f"the function {name} is not supported" in str(caught.value)
