"""The pages that are written from the code are those in docs/."""

import pathlib
import re
from dataclasses import replace

import pytest
import yaml
from pydantic import BaseModel

from chaosml.errors import UsageError
from chaosml.explain.fault_text import markdown_detail
from chaosml.explain.keys import find, parts, tree
from chaosml.explain.kinds import facts
from chaosml.explain.pages import all_pages, filled
from chaosml.explain.scenario_text import terminal
from chaosml.explain.schema import schema
from chaosml.explain.words import default_words, kind_words, written_default
from chaosml.faults.catalogue import CATALOGUE, option_models
from chaosml.scenario.load import load
from chaosml.scenario.model import Duration

ROOT = pathlib.Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"


def test_the_pages_are_current():
    stale = [
        name
        for name, text in all_pages(DOCS).items()
        if (DOCS / name).read_text(encoding="utf-8") != text
    ]
    assert not stale, "run python -m chaosml.explain.pages docs"


def test_every_key_of_a_scenario_says_what_it_is_for():
    silent = [
        f"{path}.{key.name}" for path, part in parts(tree()) for key in part.keys if not key.text
    ]
    assert silent == []


def test_the_shortest_scenario_of_the_page_is_one(tmp_path):
    text = (DOCS / "scenario.md").read_text(encoding="utf-8")
    found = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (shortest,) = [one for one in found if "faults:" in one]
    path = tmp_path / "first.yaml"
    path.write_text(shortest.replace("pipelines/", f"{ROOT}/scenarios/pipelines/"))
    assert load(path, catalogue=option_models()).scenario.metadata.name == "first"


def test_a_kind_without_a_place_gets_a_section_and_one_that_is_gone_leaves_none():
    page = "# Faults\n\n<!-- from the code: gone.kind -->\nold\n<!-- end -->\n"
    kind = facts(CATALOGUE["pod.evict"])
    first = filled(page, [kind])
    assert "old" not in first
    assert "## `pod.evict`\n\nA pod is evicted" in first
    assert markdown_detail(kind) in first
    assert filled(first, [kind]) == first
    assert "healed by nobody" in filled(first, [replace(kind, heal="healed by nobody")])


def test_views_and_substrates_follow_from_the_options():
    spot = facts(CATALOGUE["spot.reclaim"])
    assert spot.substrates == {"embedded": "yes", "kind": "yes", "cluster": "with `kill: false`"}
    assert "with `notice: 0s`: `seen`, `restarted`" in spot.views
    assert facts(CATALOGUE["node.stop"]).substrates["cluster"] == "no"


class _Inner(BaseModel):
    """A mapping inside options."""

    wait: Duration = 5.0
    """How long."""


class _Nested(BaseModel):
    """Options with a mapping, and without an example."""

    probe: _Inner
    """Who looks."""


class _Kind:
    kind = "pod.nested"
    options = _Nested
    capabilities = ()

    def views(self, options, *, has_outputs):
        raise AssertionError("nothing is known of options that are not given")


def test_options_may_hold_mappings_and_need_no_example(monkeypatch):
    monkeypatch.setitem(CATALOGUE, "pod.nested", _Kind())
    shown = facts(CATALOGUE["pod.nested"])
    assert [(key.name, key.default, key.text) for key in shown.options] == [
        ("probe", "required", "Who looks."),
        ("probe.wait", "`5s`", "How long."),
    ]
    assert shown.views == ("as its options say",)
    assert shown.substrates["cluster"] == "yes"
    described = schema()
    assert described["$defs"]["with-pod.nested"]["properties"]["probe"]["$ref"] == "#/$defs/_Inner"
    assert described["$defs"]["_Inner"]["properties"]["wait"]["default"] == "5s"


def test_every_reference_of_the_schema_leads_somewhere():
    described = schema()
    text = yaml.safe_dump(described)
    assert set(re.findall(r"#/\$defs/([^\s'\"]+)", text)) <= set(described["$defs"])


def test_the_schema_describes_the_options_of_each_kind():
    described = schema()
    fault = described["$defs"]["Fault"]
    assert fault["properties"]["inject"]["enum"] == list(CATALOGUE)
    rules = {one["if"]["properties"]["inject"]["const"]: one["then"] for one in fault["allOf"]}
    assert rules["storage.throttle"]["required"] == ["with"]
    assert "required" not in rules["pod.delete"]
    notice = described["$defs"]["with-spot.reclaim"]["properties"]["notice"]
    assert notice["default"] == "120s"
    assert "kill without notice" in notice["description"]


@pytest.mark.parametrize(
    ("described", "words"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 9}, "whole number from 1 to 9"),
        ({"type": "integer", "minimum": 1}, "whole number from 1"),
        ({"type": "boolean"}, "`true` or `false`"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "text"),
        ({"enum": ["a", "b", "c"]}, "`a`, `b` or `c`"),
        ({"anyOf": [{"const": "none"}, {"$ref": "#/$defs/B"}]}, "`none`, or mapping"),
        (
            {"type": "object", "additionalProperties": {"type": "string"}},
            "mapping of names to text",
        ),
        ({"type": "array", "items": {"$ref": "#/$defs/B"}}, "list of mappings"),
    ],
)
def test_what_a_value_may_be_is_said_in_words(described, words):
    assert kind_words(described) == words


def test_defaults_are_written_as_a_scenario_writes_them():
    deadline = schema()["properties"]["deadline"]
    assert default_words(deadline, required=False) == "`20m`"
    assert written_default({**deadline, "default": 90.0}) == "90s"
    assert written_default({"type": "object", "default": {"a": 1}}) is None
    assert default_words({}, required=True) == "required"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("", "  faults: list of mappings (required)"),
        ("faults", "  again: list of mappings"),
        ("faults[0].when.step", "  between: list of 2"),
        ("faults.0.when", "  settled: true or false (default false)"),
        ("services.tracking.upstream", "host:port, as the services reach it."),
        ("expect.mttr.at-most", "expect.mttr.at-most: duration such as 30s"),
    ],
)
def test_a_key_is_explained_with_those_below_it(path, text):
    assert text in terminal(path)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("faults.wen", "faults has no key 'wen'; did you mean 'when'?"),
        ("seed.x", "seed has no keys of its own, so there is no 'x'"),
        ("zzz", "a scenario has no key 'zzz'; it has: apiVersion"),
    ],
)
def test_a_key_that_is_not_there_is_named_with_the_near_miss(path, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        find(tree(), path)
