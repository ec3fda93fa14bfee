"""The fault and the checker of docs/extending.md work as the page says."""

from __future__ import annotations

import pathlib
import re
import sys
import types

import pytest

from chaosml.explain.kinds import facts
from chaosml.faults import script as steps
from chaosml.faults.catalogue import CATALOGUE, FaultKind, missing_capabilities
from chaosml.substrates.embedded.substrate import EmbeddedSubstrate
from chaosml.verdict import Status
from tests.quality import histories
from tests.unit.checkers.running import judged, verdict
from tests.unit.faults.playing import run

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "extending.md"


@pytest.fixture(scope="module")
def example():
    """The modules of the page, by the name of the class that each is about."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 2
    modules = {}
    for number, text in enumerate(blocks):
        module = types.ModuleType(f"example_{number}")
        # Annotations are looked up in the module that a class names.
        sys.modules[module.__name__] = module
        exec(compile(text, f"{PAGE}:{number}", "exec"), module.__dict__)
        modules[module.__all__[0]] = module
    yield modules
    for module in modules.values():
        del sys.modules[module.__name__]


@pytest.fixture
def fault(example, monkeypatch) -> FaultKind:
    made: FaultKind = example["ImpatientDelete"].ImpatientDelete()
    monkeypatch.setitem(CATALOGUE, made.kind, made)
    return made


def test_the_fault_forces_away_what_does_not_end_in_time(fault):
    told = run(fault.kind, lambda step: not isinstance(step, steps.Until), view="seen")
    assert told[0] == steps.Delete("uid-1", "seen")
    assert told[2:] == [steps.Delete("uid-1", "seen", force=True)]
    assert told[1].limit_s == 5.0


def test_the_fault_leaves_alone_what_ends_by_itself(fault):
    assert len(run(fault.kind)) == 2


def test_the_fault_can_be_planned_and_be_run_in_local_processes(fault):
    assert "restarted" in fault.views(fault.options(), has_outputs=False)
    assert not missing_capabilities(fault, object.__new__(EmbeddedSubstrate))


def test_the_docstring_of_the_fault_becomes_its_page(example, fault):
    shown = facts(fault)
    assert shown.summary == "a pod is deleted, and forced away when it takes too long."
    assert shown.receipt.startswith("the deletion")
    assert shown.heal.startswith("none needed")


@pytest.mark.parametrize(("most", "status"), [(1, Status.FAIL), (2, Status.PASS)])
def test_the_checker_counts_attempts(example, most, status):
    checker = example["Attempts"].Attempts(most)
    found = verdict(judged(histories.resumed(1), checkers=(checker,)), "attempts")
    assert found.status is status
    if status is Status.FAIL:
        assert found.cause == "too-many-attempts"
        assert len(found.evidence) == 2
