"""The shadow of a run: each execution on a real Argo, replayed through our own reducer.

What the reducer cannot reach is a bug of ours. It is kept as a fixture: document, recording
and what was found, enough to make a test of it.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping

import msgspec

from chaosml.errors import HistoryError
from chaosml.shadow.judging import Outcome, judge
from chaosml.shadow.recording import RECORDING
from chaosml.store.directory import RunDirectory

__all__ = ["RESULT", "judge_execution", "judge_run"]

RESULT = "shadow.json"
_FIXTURES = "shadow"
_KINDS = {"controls": "control", "trials": "trial"}
_DOCUMENT = "workflow.yaml"


class _Result(msgspec.Struct, frozen=True, kw_only=True):
    """`shadow.json`."""

    schema: int = 1
    executions: dict[str, Outcome]


class _Fixture(msgspec.Struct, frozen=True, kw_only=True):
    """`found.json` of a fixture."""

    schema: int = 1
    execution: str
    outcome: Outcome
    versions: dict[str, str]


def judge_run(directory: RunDirectory, versions: Mapping[str, str]) -> str | None:
    """Replay every execution that was recorded, and write down what that gave.

    Nothing is written where nothing was recorded, as on the embedded substrate.

    Args:
        directory: Of the run.
        versions: Of what ran it; kept with a fixture.

    Returns:
        What cannot be reached, for people; None where everything can.

    Raises:
        HistoryError: a recording cannot be read, or the disk refuses.
    """
    recordings = dict(_recordings(directory))
    if not recordings:
        return None
    document = directory.path / _DOCUMENT
    outcomes = {name: judge(document, path) for name, path in recordings.items()}
    directory.write(RESULT, msgspec.json.format(msgspec.json.encode(_Result(executions=outcomes))))
    told = [
        _explain(name, outcome, _keep(directory, name, recordings[name], outcome, versions))
        for name, outcome in outcomes.items()
        if outcome.unreachable is not None
    ]
    return "\n".join(told) or None


def judge_execution(directory: RunDirectory, name: str, folder: pathlib.Path) -> str | None:
    """Replay one execution; return what cannot be reached, in a few words.

    Raises:
        HistoryError: the recording cannot be read.
    """
    recording = folder / RECORDING
    if not recording.exists():
        return None
    outcome = judge(directory.path / _DOCUMENT, recording)
    return None if outcome.unreachable is None else _say(name, outcome)


def _recordings(directory: RunDirectory) -> Iterator[tuple[str, pathlib.Path]]:
    for folder, kind in _KINDS.items():
        found = (directory.path / folder).glob(f"*/{RECORDING}")
        numbers = {int(path.parent.name): path for path in found if path.parent.name.isdecimal()}
        for number in sorted(numbers):
            yield f"{kind}/{number}", numbers[number]


def _keep(
    directory: RunDirectory,
    name: str,
    recording: pathlib.Path,
    outcome: Outcome,
    versions: Mapping[str, str],
) -> pathlib.Path:
    """Keep what makes a test of an execution; return the folder."""
    within = f"{_FIXTURES}/{name.replace('/', '-')}"
    folder = directory.path / within
    fixture = _Fixture(execution=name, outcome=outcome, versions=dict(versions))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        copies = {
            _DOCUMENT: (directory.path / _DOCUMENT).read_bytes(),
            RECORDING: recording.read_bytes(),
        }
    except OSError as error:
        raise HistoryError(f"cannot keep the fixture {folder}: {error.strerror}") from error
    for file, content in copies.items():
        directory.write(f"{within}/{file}", content)
    directory.write(f"{within}/found.json", msgspec.json.format(msgspec.json.encode(fixture)))
    return folder


def _say(name: str, outcome: Outcome) -> str:
    found = outcome.unreachable
    assert found is not None
    return (
        f"{name}: Argo showed {found.vertex} as {found.shown} (status {found.status} of "
        f"{outcome.statuses}), which our reducer cannot reach: {found.reachable}"
    )


def _explain(name: str, outcome: Outcome, fixture: pathlib.Path) -> str:
    return (
        f"{_say(name, outcome)}. This is a bug of chaosml, not of the pipeline: what the embedded "
        f"substrate says of it may be wrong. Report it with {fixture}"
    )
