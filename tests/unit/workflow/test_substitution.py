"""Tags in strings and structures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosml.workflow.expression import ExpressionError
from chaosml.workflow.substitution import (
    UnresolvedReference,
    references,
    scope_of,
    substitute,
    substitute_all,
)

VARIABLES = {
    "workflow.name": "wf",
    "inputs.parameters": "[]",
    "inputs.parameters.n": "3",
    "inputs.parameters.which": "n",
    "inputs.parameters.run-id": "r7",
    "retries": "0",
}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("plain", "plain"),
        ("{{workflow.name}}/{{ inputs.parameters.n }}", "wf/3"),
        ("{{=asInt(inputs.parameters.n) * 2}}", "6"),
        ("{{= inputs.parameters['run-id'] + '!' }}", "r7!"),
        ("{{=asInt(retries) > 0 ? 'again' : 'first'}}", "first"),
        ("{{inputs.parameters.{{inputs.parameters.which}}}}", "3"),
        (
            "{{=7 / 2}} {{=4 / 2}} {{=1 == 1}} {{=[1, 'a']}} {{={'k': 1} }}",
            "3.5 2 true [1 a] map[k:1]",
        ),
        ("a } b { c }} d", "a } b { c }} d"),
    ],
)
def test_tags_are_replaced_by_their_values(text, result):
    assert substitute(text, VARIABLES) == result


def test_what_is_put_in_is_not_looked_at_again():
    assert substitute("{{a}}", {"a": "{{b}}", "b": "x"}) == "{{b}}"


@pytest.mark.parametrize(
    ("text", "reference", "message"),
    [
        ("x {{unknown.y}}", "unknown.y", "failed to resolve {{unknown.y}}"),
        ("{{=unknown.y}}", "=unknown.y", "unknown name unknown"),
        ("{{=nil}}", "=nil", "the expression has no value"),
        ("{{workflow.name", "workflow.name", "no closing }}"),
    ],
)
def test_what_cannot_be_resolved_is_named(text, reference, message):
    with pytest.raises(UnresolvedReference) as caught:
        substitute(text, VARIABLES)
    assert caught.value.reference == reference
    assert message in str(caught.value)


def test_structures_are_substituted_and_keep_their_shape():
    value = {"a": ["{{retries}}", 1, None], "b": ("{{workflow.name}}", {"c": True})}
    assert substitute_all(value, VARIABLES) == {"a": ["0", 1, None], "b": ("wf", {"c": True})}


def test_references_lists_the_variables_of_tags_and_expressions():
    text = "{{a.b}} {{=len(c.d) > 0 ? e['f-g'] : a.b}} {{a.b}}"
    assert references(text) == ("a.b", "c.d", "e.f-g")
    with pytest.raises(ExpressionError):
        references("{{=nope(}}")


def test_nested_maps_prefer_the_longer_name():
    assert scope_of({"a": "1", "a.b": "2", "a.b.c": "3", "d": "4"}) == {
        "a": {"b": {"c": "3"}},
        "d": "4",
    }


@given(st.text(alphabet="{}=a. ", max_size=30))
def test_any_text_is_substituted_or_refused(text):
    try:
        result = substitute(text, {"a": "x"})
    except UnresolvedReference:
        return
    assert result == text or "{{" in text
