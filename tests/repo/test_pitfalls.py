"""Every name on docs/pitfalls.md exists, and belongs to the pitfall that it stands beside."""

import re

import pytest
from tree import ROOT, modules

from chaosml.faults.catalogue import CATALOGUE
from chaosml.lint.rules import rules
from chaosml.scenario.model import Expectations
from chaosml.selftest.catalogue import DEFECTS

PAGE = (ROOT / "docs/pitfalls.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("| [")
]
PITFALLS = {
    "retrying what is not idempotent",
    "blocking the grace period",
    "caching with mutable dependencies",
    "checkpoint I/O contention",
    "alerting on transient throttling",
    "hard-coded run ids",
    "treating preemption as an error",
}
_CODE = re.compile(r"`([^`]+)`")
_TITLE = re.compile(r"\[([^\]]+)\]")


def _title(row):
    return _TITLE.match(row[0])[1]


def test_every_known_pitfall_has_a_row_and_a_section():
    assert {_title(row) for row in ROWS} == PITFALLS
    heads = {head.lower() for head in re.findall(r"^## (.+)$", PAGE, re.MULTILINE)}
    assert {title.lower() for title in PITFALLS} == heads


@pytest.mark.parametrize("row", ROWS, ids=_title)
def test_every_rule_beside_a_pitfall_is_one_of_the_linter(row):
    named = _CODE.findall(row[1])
    assert named
    assert set(named) <= set(rules())


@pytest.mark.parametrize("row", ROWS, ids=_title)
def test_every_expectation_and_cause_beside_a_pitfall_is_one_of_a_checker(row):
    stated = {field.alias or name for name, field in Expectations.model_fields.items()}
    code = "".join(one.text for one in modules() if one.path.startswith("chaosml/checkers/"))
    planted = {defect.named.cause for defect in DEFECTS}
    for finding in row[3].split(";"):
        expectation, *causes = _CODE.findall(finding)
        assert expectation in stated
        assert causes
        # Some are put together of two words; then a planted defect has shown them.
        unknown = [cause for cause in causes if f'"{cause}"' not in code and cause not in planted]
        assert unknown == []


@pytest.mark.parametrize("row", ROWS, ids=_title)
def test_every_defect_beside_a_pitfall_is_planted_and_named_as_the_row_says(row):
    planted = {defect.name: defect for defect in DEFECTS}
    named = _CODE.findall(row[4])
    assert named
    causes = set(_CODE.findall(row[3]))
    assert [name for name in named if name not in planted] == []
    assert [name for name in named if planted[name].named.cause not in causes] == []


def test_every_fault_that_the_page_mentions_is_in_the_catalogue():
    code = re.findall(r"`((?:pod|container|node|spot|task|storage|network)\.[a-z-]+)`", PAGE)
    assert set(code) <= set(CATALOGUE)
