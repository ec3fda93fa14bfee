"""Journals of the Chaos Toolkit: which run one names, and why it may prove nothing.

A journal says `completed` where an unmet gate left everything out, where the action raised, and
where a signal was swallowed. So its status decides nothing: the run that it names is judged
again from its own evidence, and everything about the journal that is not in order is a doubt,
with which nothing passes. Format: Chaos Toolkit's journal, as lib 1.45 writes it.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from chaosml.errors import HistoryError
from chaosml.experiment.export import ACTION, ACTIONS

__all__ = ["Doubt", "Journal", "NamedRun", "read"]

_BYTES_MAX = 64 * 1024 * 1024
_SHOWN_MAX = 200


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a journal proves nothing, or less than it says."""

    cause: str
    """In a few words joined by hyphens."""
    message: str


@dataclass(frozen=True, slots=True)
class NamedRun:
    """A run that an action of ours has reported."""

    directory: pathlib.Path
    scenario_sha256: str


@dataclass(frozen=True, slots=True)
class Journal:
    """What a journal says that matters here."""

    path: pathlib.Path
    title: str
    runs: tuple[NamedRun, ...]
    doubts: tuple[Doubt, ...]


def read(path: pathlib.Path) -> Journal:
    """Read a journal.

    Raises:
        HistoryError: it cannot be read, or it is none.
    """
    document = _decode(path)
    experiment = document.get("experiment")
    if not isinstance(experiment, dict) or not isinstance(document.get("run"), list):
        raise HistoryError(
            f"{path}: is no journal of the Chaos Toolkit: it has no experiment with a list `run`; "
            "name a journal.json, or a run directory such as reports/spot/latest"
        )
    entries = [entry for entry in document["run"] if _is_ours(entry)]
    runs, doubts = [], [*_doubts_of(document, experiment)]
    for entry in entries:
        found = _run_of(entry)
        if isinstance(found, NamedRun):
            runs.append(found)
        else:
            doubts.append(found)
    if not entries:
        doubts.append(_explain_absence(document))
    return Journal(path, _text(experiment.get("title")), tuple(runs), tuple(doubts))


def _decode(path: pathlib.Path) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            content = file.read(_BYTES_MAX + 1)
    except OSError as error:
        raise HistoryError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > _BYTES_MAX:
        raise HistoryError(f"{path}: is larger than 64 MiB, which no journal of ours is")
    try:
        document = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HistoryError(
            f"{path}: is no JSON document ({error}); the toolkit may have been killed as it wrote"
        ) from error
    if not isinstance(document, dict):
        raise HistoryError(f"{path}: is no journal of the Chaos Toolkit: it is no JSON object")
    return document


def _is_ours(entry: Any) -> bool:
    activity = entry.get("activity") if isinstance(entry, dict) else None
    provider = activity.get("provider") if isinstance(activity, dict) else None
    if not isinstance(provider, dict):
        return False
    return (provider.get("module"), provider.get("func")) == (ACTIONS, ACTION)


def _run_of(entry: dict[str, Any]) -> NamedRun | Doubt:
    """Return the run that an action has reported, or why it has reported none."""
    status = entry.get("status")
    if status != "succeeded":
        lines = entry.get("exception")
        told = f": {_text(lines[-1])}" if isinstance(lines, list) and lines else ""
        shown = "has no status, as after a signal" if status is None else f"was {_text(status)}"
        return Doubt("action-failed", f"the action {ACTION} {shown}{told}")
    output = entry.get("output")
    named = output.get("run") if isinstance(output, dict) else None
    digest = output.get("scenario_sha256") if isinstance(output, dict) else None
    if not isinstance(named, str) or not isinstance(digest, str) or "\0" in named:
        return Doubt("no-run-named", f"the action {ACTION} returned {_text(output)}, and no run")
    return NamedRun(pathlib.Path(named), digest)


def _doubts_of(document: dict[str, Any], experiment: dict[str, Any]) -> Iterator[Doubt]:
    status = document.get("status")
    if status != "completed":
        yield Doubt("experiment-not-completed", f"the experiment ended {_text(status)}")
    if experiment.get("dry"):
        yield Doubt("dry", "the experiment was run dry: nothing was done")
    rollbacks = document.get("rollbacks") or []
    for entry in rollbacks if isinstance(rollbacks, list) else [rollbacks]:
        ended = entry.get("status") if isinstance(entry, dict) else None
        if ended != "succeeded":
            yield Doubt(
                "rollback-failed", f"a rollback ended {_text(ended)}: see `chaosml recover`"
            )


def _explain_absence(document: dict[str, Any]) -> Doubt:
    """Say why no action of ours was carried out."""
    states = document.get("steady_states")
    before = states.get("before") if isinstance(states, dict) else None
    if isinstance(before, dict) and before.get("steady_state_met") is not True:
        words = "the hypothesis was not met before the method, so nothing was done"
        return Doubt("gate-not-met", words)
    return Doubt("nothing-run", f"no action {ACTION} of {ACTIONS} was carried out")


def _text(value: Any) -> str:
    """Return a value of a foreign document as a short text."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _SHOWN_MAX else text[:_SHOWN_MAX] + "…"
