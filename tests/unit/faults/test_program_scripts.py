"""The scripts of faults that programs of the user's carry out, and their options."""

from __future__ import annotations

import json

import pydantic
import pytest

from chaosml.event import CommandEnded
from chaosml.faults import script as steps
from chaosml.faults.catalogue import CATALOGUE, hold_s_of, missing_library
from chaosml.faults.program import fill
from tests.unit.events import event
from tests.unit.faults.playing import names, run

EXTERNAL = {"command": ["kubectl", "delete", "pod", "{pod}"], "receipt": ["./gone", "{pod}"]}
TOOLKIT = {
    "module": "chaosk8s.pod.actions",
    "func": "terminate_pods",
    "arguments": {"ns": "{namespace}"},
    "receipt": {"module": "m", "func": "f", "arguments": {"pod": "{pod}"}, "tolerance": 0},
}


def ends(**outcomes: str):
    """Answer each wait with the end of the part that it waits for."""
    parts = iter(("command", "receipt", "undo"))

    def answer(step: steps.Step) -> bool:
        if not isinstance(step, steps.Until):
            return True
        part = next(one for one in parts if one in step.what)
        outcome = outcomes.get(part, "done")
        said = CommandEnded(injection="t1.f", part=part, uid="uid-1", outcome=outcome, detail="!")
        return step.matches(event(said))

    return answer


def test_the_target_is_held_until_the_receipt_and_known_words_are_filled_in() -> None:
    told = run("external", ends(), **EXTERNAL)
    assert names(told) == ["RunCommand", "Until", "AskReceipt", "Until", "Release"]
    command, _, receipt, *_ = told
    assert command.program.argv == ("kubectl", "delete", "pod", "train")
    assert command.undo is None
    assert receipt.program.argv == ("./gone", "train")


def test_an_undo_is_journalled_with_the_command_and_done_after_the_time() -> None:
    told = run("external", ends(), **EXTERNAL, undo=["undo", "{node}"], **{"for": "3s"})
    assert names(told)[4:] == ["Release", "Pause", "UndoCommand", "Until", "Undone"]
    assert told[0].undo.argv == ("undo", "node-1")
    assert steps.Pause(3.0) in told


def test_without_a_time_the_undo_is_left_to_the_end_of_the_execution() -> None:
    assert names(run("external", ends(), **EXTERNAL, undo=["undo"]))[-1] == "Release"


@pytest.mark.parametrize("part", ["command", "receipt"])
@pytest.mark.parametrize("outcome", ["failed", "timeout", "nonsense", "not-started"])
def test_what_ends_badly_is_invalid_lets_the_target_go_and_is_undone(
    part: str, outcome: str
) -> None:
    told = run("external", ends(**{part: outcome}), **EXTERNAL, undo=["undo"])
    assert steps.Invalidate(f"{part}-{outcome}", "!") in told
    assert names(told)[-5:] == ["Invalidate", "Release", "UndoCommand", "Until", "Undone"]


def test_an_undo_that_fails_is_not_done() -> None:
    told = run("external", ends(undo="failed"), **EXTERNAL, undo=["undo"], **{"for": "1s"})
    assert "Undone" not in names(told)


def test_an_action_of_the_toolkit_is_called_in_a_process_of_its_own() -> None:
    told = run("chaostoolkit", ends(), **TOOLKIT)
    command, _, receipt, *_ = told
    *interpreter, order = command.program.argv
    assert interpreter[1:] == ["-m", "chaosml.chaostoolkit.activity"]
    assert json.loads(order)["arguments"] == {"ns": "ml"}
    assert command.program.answers
    probe = json.loads(receipt.program.argv[-1])
    assert (probe["type"], probe["tolerance"], probe["arguments"]) == ("probe", 0, {"pod": "train"})


def test_secrets_are_known_by_the_names_of_variables_alone() -> None:
    told = run("chaostoolkit", ends(), **TOOLKIT, secrets={"key": "AWS_SECRET_ACCESS_KEY"})
    assert told[0].program.environment == ("AWS_SECRET_ACCESS_KEY",)
    assert json.loads(told[0].program.argv[-1])["secrets"] == {"key": "AWS_SECRET_ACCESS_KEY"}


@pytest.mark.parametrize(
    ("kind", "given", "missing"),
    [
        ("external", {"command": ["true"]}, "receipt"),
        ("external", {"receipt": ["true"]}, "command"),
        ("chaostoolkit", {"module": "m", "func": "f"}, "receipt"),
        ("chaostoolkit", {**TOOLKIT, "receipt": {"module": "m", "func": "f"}}, "tolerance"),
    ],
)
def test_without_a_receipt_there_is_no_such_fault(kind: str, given: dict, missing: str) -> None:
    with pytest.raises(pydantic.ValidationError) as raised:
        CATALOGUE[kind].options.model_validate(given)
    assert [one["loc"][-1] for one in raised.value.errors()] == [missing]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"command": ["rm", "{pd}"]}, r"did you mean \{pod\}"),
        ({"command": []}, "at least 1"),
        ({"environment": ["A=B"]}, "pattern"),
        ({"timeout": "10m"}, "less than or equal"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict, why: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=why):
        CATALOGUE["external"].options.model_validate({**EXTERNAL, **given})


def test_other_braces_stay_as_they_are() -> None:
    known = {"pod": "p"}
    assert fill('{"a": {pod}, "b": "{.items[0]}{end}"}', known) == (
        '{"a": p, "b": "{.items[0]}{end}"}'
    )
    assert fill(["{{pod}}", {"k": "{pod}"}, 3], known) == ["{pod}", {"k": "p"}, 3]


def test_the_hold_lasts_as_long_as_the_programs_may_take() -> None:
    fault = CATALOGUE["external"]
    options = fault.options.model_validate({**EXTERNAL, "timeout": "5s", "within": "20s"})
    assert hold_s_of(fault, options) == 27.0
    assert hold_s_of(CATALOGUE["pod.delete"], None) is None


def test_only_what_needs_the_toolkit_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert missing_library(CATALOGUE["external"]) is None
    assert "chaosml[chaostoolkit]" in str(missing_library(CATALOGUE["chaostoolkit"]))
