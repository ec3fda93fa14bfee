"""Documents: YAML 1.2, places of everything, and complaints in words of ours."""

from __future__ import annotations

import io
import json
import pathlib
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from chaosml.document import (
    attempt,
    nearest,
    parse,
    parse_all,
    read,
    read_all,
    read_scalar,
    read_text,
    salvage,
    validate,
)
from chaosml.document.reading import resolve
from chaosml.errors import Problem, ScenarioError

_PATH = pathlib.Path("file.yaml")


class _Strict(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=lambda name: name.replace("_", "-")
    )


class _Range(_Strict):
    between: tuple[int, int]


class _Entry(_Strict):
    name: str
    place: int | _Range | None = None
    color: Literal["red", "green"] = "red"


class _Root(_Strict):
    at_most: Annotated[int, Field(ge=1)] = 1
    entries: Annotated[tuple[_Entry, ...], Field(min_length=1)] = ()
    either: Literal["none"] | _Range = "none"
    words: dict[str, str] = {}


def _problems(text: str, model: type[BaseModel] = _Root) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        validate(parse(text, _PATH), model)
    return [str(problem) for problem in caught.value.problems]


def _unreadable(text: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        parse(text, _PATH)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("010", 10),
        ("0o17", 15),
        ("0x1f", 31),
        ("1e3", 1000.0),
        ("12:30:00", "12:30:00"),
        ("2001-01-01", "2001-01-01"),
        ("1_000", "1_000"),
        ("~", None),
        ("", None),
        ("TRUE", True),
        ("'true'", "true"),
        ("-.5", -0.5),
        ("-", "-"),
    ],
)
def test_plain_scalars_follow_the_core_schema_of_yaml_1_2(text, value):
    if text == "-":
        assert resolve(text) == value
        return
    found = read_scalar(text)
    assert found == value
    assert type(found) is type(value)


def test_text_that_yaml_1_1_reads_otherwise_is_remembered_with_its_place():
    document = parse("a: [x, yes, 'no', 010]\n", _PATH)
    assert document.ambiguous == {("a", 1): "yes", ("a", 3): "010"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "file.yaml:1:1: the file is empty"),
        ("# nothing\n", "file.yaml:1:1: the file is empty"),
        ("- a\n", "file.yaml:1:1: expected a mapping, found a list"),
        ("hello\n", 'file.yaml:1:1: expected a mapping, found "hello"'),
        (
            "a: 1\n---\nb: 2\n",
            "file.yaml:2:1: a second document begins here; a file holds one",
        ),
        (
            "a: !!python/name:os.system x\n",
            "file.yaml:1:4: the tag 'tag:yaml.org,2002:python/name:os.system' is not allowed; "
            "remove it, or quote what is text",
        ),
        ("a: &x {b: *x}\n", "file.yaml:1:8: an alias refers to what contains it"),
        ("1: a\n", "file.yaml:1:1: keys are text, found 1; quote it"),
        ("a: {<<: 3}\n", "file.yaml:1:9: `<<` merges mappings that stand elsewhere"),
    ],
)
def test_what_is_not_one_plain_mapping_is_refused_at_its_place(text, problem):
    assert _unreadable(text) == [problem]


@pytest.mark.parametrize("text", ["a: [1, 2\n", "a:\n\tb: 1\n", "a: *nope\n", "a: \x01\n"])
def test_what_is_not_yaml_is_refused_in_one_line(text):
    (problem,) = _unreadable(text)
    assert "this is not YAML: " in problem
    assert "\n" not in problem


def test_every_duplicate_key_is_reported_at_once():
    assert _unreadable("a: 1\nb: {c: 1, c: 2}\na: 3\n") == [
        'file.yaml:2:11: the key "c" is given twice; the first is in line 2',
        'file.yaml:3:1: the key "a" is given twice; the first is in line 1',
    ]


@pytest.mark.parametrize("item", ["[{}]", "{{<<: [{}]}}"], ids=["lists", "merges"])
def test_aliases_that_expand_without_end_are_refused(item):
    first = "a0: &a0 {x: 1}\n"
    names = [f"a{number}" for number in range(12)]
    rest = "".join(
        f"{name}: &{name} {item.format(', '.join(['*' + names[number]] * 10))}\n"
        for number, name in enumerate(names[1:])
    )
    (problem,) = _unreadable(first + rest)
    assert "more than 100000 values" in problem


def test_deep_nesting_is_refused_before_anything_recurses():
    (problem,) = _unreadable("a: " + "[" * 500 + "]" * 500)
    assert "nested deeper than 60 levels" in problem


def test_a_number_of_thousands_of_digits_is_refused():
    assert "a number of 5000 digits" in _unreadable(f"a: {'9' * 5000}\n")[0]


def test_own_keys_win_over_merged_ones_and_keep_their_place():
    document = parse("base: &base {a: 1, b: 2}\nmine:\n  a: 3\n  <<: *base\n", _PATH)
    assert document.data["mine"] == {"a": 3, "b": 2}
    assert document.mark(("mine", "a")) == (3, 6)


def test_keys_and_values_have_their_places():
    document = parse("a:\n  b: [1, {c: x}]\n", _PATH)
    assert document.mark(("a", "b", 1, "c")) == (2, 14)
    assert document.mark(("a", "b", 1, "c"), key=True) == (2, 11)
    assert document.mark(("a",)) == (2, 3)
    assert document.mark(("a",), key=True) == (1, 1)


def test_a_place_that_is_not_there_is_its_nearest_ancestor():
    document = parse("a:\n  b: {c: 1}\n", _PATH)
    assert document.mark(("a", "b", "SomeModel", "c")) == (2, 10)
    assert document.mark(("a", "b", "missing")) == (2, 3)
    assert document.mark(("missing",)) == (1, 1)


def test_a_missing_file_is_reported_at_the_place_that_names_it(tmp_path):
    with pytest.raises(ScenarioError) as alone:
        read(tmp_path / "no.yaml")
    assert str(alone.value).endswith(
        "no.yaml:1:1: the file cannot be read: no such file or directory"
    )
    with pytest.raises(ScenarioError) as named:
        read(tmp_path / "no.yaml", origin=Problem("s.yaml", 3, 4, "pipeline.workflow"))
    assert str(named.value).startswith("s.yaml:3:4: pipeline.workflow: the file '")


def test_a_file_that_is_not_utf_8_is_refused_at_the_byte(tmp_path):
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"a: 1\nb: caf\xe9\n")
    with pytest.raises(ScenarioError) as caught:
        read(path)
    assert (caught.value.problems[0].line, caught.value.problems[0].column) == (2, 7)


def test_a_huge_file_is_refused_unread(tmp_path):
    path = tmp_path / "huge.yaml"
    path.write_text("a: 1\n" * 300_000)
    with pytest.raises(ScenarioError, match="is larger than 1048576 bytes"):
        read(path)


def test_paths_are_shown_relative_to_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.yaml").write_text("a: 1")
    monkeypatch.chdir(tmp_path)
    assert read(tmp_path / "sub" / "a.yaml").file == "sub/a.yaml"
    monkeypatch.chdir(tmp_path / "sub")
    assert read(tmp_path / "sub" / "a.yaml").file == "a.yaml"


def test_every_problem_of_a_document_comes_at_once_with_its_place():
    text = "at-mots: 3\nat-most: 0\nentries:\n  - {name: 3, color: gren}\n  - {color: red}\n"
    assert _problems(text) == [
        'file.yaml:1:1: unknown key "at-mots"; did you mean "at-most"?',
        "file.yaml:2:10: at-most: 0 is too small; the least is 1",
        'file.yaml:4:12: entries[0].name: 3 is not text; quote it: "3"',
        'file.yaml:4:22: entries[0].color: "gren" is none of red, green; did you mean "green"?',
        'file.yaml:5:5: entries[1]: the key "name" is missing; it takes text',
    ]


def test_an_unknown_key_without_a_near_miss_lists_what_is_known():
    assert _problems("zzz: 1\n") == [
        'file.yaml:1:1: unknown key "zzz"; known here: at-most, entries, either, words'
    ]


def test_the_forms_that_a_value_may_have_are_one_message():
    text = "entries:\n  - {name: a, place: soon}\neither: nothing\n"
    assert _problems(text) == [
        'file.yaml:2:22: entries[0].place: "soon" is not a whole number or a mapping with between',
        'file.yaml:3:9: either: "nothing" is not none or a mapping with between',
    ]


def test_a_mapping_is_held_against_the_form_that_is_a_mapping():
    assert _problems("entries:\n  - {name: a, place: {betwen: [1, 2]}}\n") == [
        'file.yaml:2:15: entries[0].place: the key "between" is missing; it takes a list of 2',
        'file.yaml:2:23: entries[0].place: unknown key "betwen"; did you mean "between"?',
    ]
    assert _problems("either: {between: [1, 2, 3]}\n") == [
        "file.yaml:1:19: either.between: has 3 entries and takes a list of 2"
    ]


def test_values_of_free_mappings_are_checked_at_their_key():
    assert _problems("words:\n  one: 1\n") == [
        'file.yaml:2:8: words.one: 1 is not text; quote it: "1"'
    ]


def test_an_empty_list_is_not_confused_with_a_list_of_wrong_entries():
    assert _problems("entries: []\n") == [
        "file.yaml:1:10: entries: is empty; write at least one entry"
    ]
    assert len(_problems("entries: [{}]\n")) == 1


def test_a_sound_document_gives_the_model():
    model, problems = attempt(parse("at-most: 3\nentries: [{name: a, place: 4}]\n", _PATH), _Root)
    assert problems == []
    assert model is not None
    assert model.entries[0].place == 4


def test_what_is_salvaged_lacks_foreign_keys_but_never_a_misspelled_one():
    foreign = parse("at-most: 3\nsomething-else: 1\n", _PATH)
    assert salvage(foreign, _Root) == _Root.model_validate({"at-most": 3})
    assert salvage(parse("at-mots: 3\n", _PATH), _Root) is None
    assert salvage(parse("at-most: 0\n", _PATH), _Root) is None
    wrong = parse("at-most: 3\nwords: {a: 1}\n", _PATH)
    assert salvage(wrong, _Root, expendable=[("words",)]) == _Root.model_validate({"at-most": 3})


def test_an_overridden_value_names_its_origin_in_problems():
    document = parse("at-most: 3\n", _PATH).override(("at-most",), 0, origin="--set at-most=0")
    _, problems = attempt(document, _Root)
    assert [str(problem) for problem in problems] == [
        "file.yaml:1:10: at-most: 0 is too small; the least is 1 (given by --set at-most=0)"
    ]


def test_near_misses_ignore_case_and_separators():
    assert nearest("at_most", ["at-most", "entries"]) == "at-most"
    assert nearest("retrystrategy", ["retryStrategy"]) == "retryStrategy"
    assert nearest("zzz", ["at-most"]) is None


@given(st.text(max_size=60))
def test_any_text_is_a_document_or_a_problem_with_a_place(text):
    problems: tuple[Problem, ...] = ()
    data: object = None
    try:
        data = parse(text, _PATH).data
    except ScenarioError as error:
        problems = error.problems
    assert bool(problems) != isinstance(data, dict)
    assert all(problem.line >= 1 and problem.column >= 1 for problem in problems)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text("ab:#-{ 0", max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["at-most", "entries", "name", "place", "between", "either", "words"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_value_is_the_model_or_has_problems_in_the_file(value):
    document = parse(f"x: {json.dumps(value)}\n", _PATH)
    model, problems = attempt(document, _Root, ("x",))
    assert (model is None) == bool(problems)
    for problem in problems:
        assert problem.line == 1
        assert problem.message


def test_documents_of_one_file_keep_their_lines(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("# first\na: 1\n---\n# second\nb:\n  c: 2\n---\n")
    first, second = read_all(file)
    assert (first.data, second.data) == ({"a": 1}, {"b": {"c": 2}})
    assert second.mark(("b", "c")) == (6, 6)
    with pytest.raises(ScenarioError, match="a second document begins here"):
        read(file)


def test_a_wrong_document_among_several_is_shown_in_its_line(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("a: 1\n---\n- b\n")
    with pytest.raises(ScenarioError) as caught:
        read_all(file)
    assert [problem.line for problem in caught.value.problems] == [3]


def test_a_document_of_comments_alone_is_none(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("# first\n---\na: 1\n---\n# nothing follows\n\n--- # nor here\n")
    assert [document.data for document in read_all(path)] == [{"a": 1}]


def test_the_documents_of_a_text_have_the_lines_of_the_text():
    first, second = parse_all("a: 1\n---\n\nb: 2\n", pathlib.Path("a.yaml"))
    assert (first.data, second.data) == ({"a": 1}, {"b": 2})
    assert second.mark(("b",)) == (4, 4)


def test_an_open_file_is_read_as_one_on_the_disk():
    text = read_text(io.BytesIO(b"\xef\xbb\xbfa: 1\n"), pathlib.Path("-"))
    assert text == "a: 1\n"
    with pytest.raises(ScenarioError, match="byte 0xff"):
        read_text(io.BytesIO(b"a: \xff\n"), pathlib.Path("-"))
