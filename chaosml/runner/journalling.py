"""What the journal calls each action and its target, and which action undoes which."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from chaosml.event import Scalar
from chaosml.faults import script as steps
from chaosml.faults.program import Program
from chaosml.services.sources import GATE

__all__ = [
    "RUN_COMMAND",
    "UNDO",
    "UNDOES",
    "UNDO_COMMAND",
    "journal_undo",
    "read_undo",
    "target_of",
    "verb_of",
]

RUN_COMMAND, UNDO_COMMAND = "run-command", "undo-command"
"""A program that is a fault, and the one that takes it back."""
UNDO: dict[type, Callable[[Any], steps.Action | None]] = {
    steps.Notify: lambda action: steps.Withdraw(action.node),
    steps.Cordon: lambda action: steps.Uncordon(action.node),
    steps.StopNode: lambda action: (
        steps.ReturnNode(action.node) if action.returns else steps.AddNode()
    ),
    steps.PauseContainer: lambda action: steps.ResumeContainer(action.uid),
    steps.CutOff: lambda action: steps.EndCutOff(action.uid),
    steps.ExpectDrain: lambda action: steps.EndDrain(action.node),
    steps.AddToxic: lambda action: steps.RemoveToxic(action.service, action.task, action.name),
    steps.Disturb: lambda action: steps.Calm(action.disturbance.injection, action.disturbance.task),
    steps.RunCommand: lambda action: (
        None if action.undo is None else steps.UndoCommand(action.uid, action.undo)
    ),
}
"""What is left to be done after an action, by its type; None: nothing."""
UNDOES: dict[type, tuple[str, ...]] = {
    steps.Withdraw: ("notify",),
    steps.Uncordon: ("cordon",),
    steps.RemoveToxic: ("add-toxic",),
    steps.Calm: ("disturb",),
    steps.AddNode: ("stop-node",),
    steps.ReturnNode: ("stop-node",),
    steps.ResumeContainer: ("pause-container",),
    steps.EndCutOff: ("cut-off",),
    steps.EndDrain: ("expect-drain",),
    # A stopped node can be neither drained nor opened again.
    steps.StopNode: ("cordon",),
}
"""What an action takes off the stack of what is to be undone, by the verb that put it there."""


def verb_of(action: steps.Action) -> str:
    """Return what the journal calls an action."""
    return {
        steps.Delete: "delete-pod",
        steps.Evict: "evict-pod",
        steps.Terminate: "terminate-pod",
        steps.LoseSuccess: "lose-success",
        steps.CutOff: "cut-off",
        steps.EndCutOff: "end-cut-off",
        steps.SignalContainer: "signal-container",
        steps.PauseContainer: "pause-container",
        steps.ResumeContainer: "resume-container",
        steps.Cordon: "cordon",
        steps.Uncordon: "uncordon",
        steps.ExpectDrain: "expect-drain",
        steps.EndDrain: "end-drain",
        steps.StopNode: "stop-node",
        steps.ReturnNode: "return-node",
        steps.AddNode: "add-node",
        steps.Notify: "notify",
        steps.Withdraw: "withdraw",
        steps.AddToxic: "add-toxic",
        steps.RemoveToxic: "remove-toxic",
        steps.Disturb: "disturb",
        steps.Calm: "calm",
        steps.Measure: "measure",
        steps.RunCommand: RUN_COMMAND,
        steps.UndoCommand: UNDO_COMMAND,
    }[type(action)]


def target_of(action: steps.Action) -> str:
    """Return what the journal says that an action acts on."""
    match action:
        case (
            steps.Delete(uid=uid)
            | steps.Evict(uid=uid)
            | steps.Terminate(uid=uid)
            | steps.LoseSuccess(uid=uid)
            | steps.CutOff(uid=uid)
            | steps.EndCutOff(uid)
            | steps.SignalContainer(uid=uid)
            | steps.PauseContainer(uid)
            | steps.ResumeContainer(uid)
            | steps.RunCommand(uid=uid)
            | steps.UndoCommand(uid=uid)
        ):
            return f"pod/{uid}"
        case (
            steps.Cordon(node)
            | steps.Uncordon(node)
            | steps.ExpectDrain(node)
            | steps.EndDrain(node)
            | steps.StopNode(node=node)
            | steps.ReturnNode(node)
            | steps.Notify(node=node)
            | steps.Withdraw(node)
        ):
            return f"node/{node}"
        case (
            steps.AddToxic(service=service, task=task)
            | steps.RemoveToxic(service=service, task=task)
            | steps.Measure(service=service, task=task)
        ):
            return f"proxy/{service}.{task}"
        case steps.Disturb() | steps.Calm():
            return f"source/{GATE}"
        case _:
            return "cluster"


def journal_undo(undo: Program, folder: str) -> dict[str, Scalar]:
    """Return what the journal keeps of a program that takes a fault back; `read_undo` reads it.

    Args:
        undo: The program.
        folder: Its working directory.
    """
    return {
        "undo": json.dumps(undo.argv),
        "environment": " ".join(undo.environment),
        "timeout_s": undo.timeout_s,
        "folder": folder,
        "answers": undo.answers,
    }


def read_undo(prior: Mapping[str, Scalar]) -> tuple[Program, pathlib.Path]:
    """Return a program that the journal keeps, and its working directory."""
    program = Program(
        argv=tuple(map(str, json.loads(str(prior["undo"])))),
        environment=tuple(str(prior.get("environment", "")).split()),
        timeout_s=float(str(prior.get("timeout_s", 10.0))),
        answers=prior.get("answers") is True,
    )
    return program, pathlib.Path(str(prior.get("folder", ".")))
