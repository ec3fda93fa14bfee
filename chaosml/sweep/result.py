"""What a sweep finds: a result for every state, and the report over all of them."""

from __future__ import annotations

import msgspec

from chaosml.sweep.margins import Margins
from chaosml.verdict import Status, Verdict, worst
from chaosml.workflow.views import View

__all__ = [
    "Failure",
    "KillResult",
    "StateResult",
    "SweepReport",
    "Tested",
    "TestedPoint",
    "name_of",
    "status_of",
]


class StateResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one state under one view: a line of `states.jsonl`."""

    state: int
    view: str
    status: Status
    verdicts: tuple[Verdict, ...] = ()
    problem: str = ""
    """Why it was not executed to its end; it is UNKNOWN then."""
    wall_s: float = 0.0
    interruptions: int = 0
    """Pods that the crash ended."""
    errors: int = 0
    """Pods that failed by themselves afterwards."""


class KillResult(msgspec.Struct, frozen=True, kw_only=True):
    """A real kill at a point, held against the state that was built for it."""

    point: int
    name: str
    status: Status
    """PASS: it landed in a built state, and what followed was judged alike."""
    landed: int | None = None
    """Number of the built state in which it landed."""
    compared: int = 0
    """Objects compared by what they hold."""
    by_key: int = 0
    """Objects compared by their keys alone: the contract does not know them."""
    message: str = ""


class Tested(msgspec.Struct, frozen=True, kw_only=True):
    """How much of what was recorded a sweep tested."""

    points: int
    """Recorded."""
    points_hit: int
    """Every state of theirs was executed and judged."""
    effects: dict[str, int] = {}
    """Recorded durable effects by operation."""
    states: int
    states_hit: int
    unreached: dict[str, str] = {}
    """Points that were not hit, with the reason."""
    outside: tuple[str, ...] = ()
    """What of the durable state no recording holds."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A cause for which states fail or stay unknown, and where."""

    checker: str
    cause: str
    status: Status
    point: int
    """The first one."""
    place: str
    """Its name."""
    state: int
    points: tuple[int, ...]
    """All of them."""
    message: str
    evidence: tuple[str, ...] = ()
    """Lines of the first state's history, as `states/3/history.jsonl:12  what`."""
    advice: str | None = None
    replay: str = ""


class TestedPoint(msgspec.Struct, frozen=True, kw_only=True):
    """A point and what became of it."""

    number: int
    kind: str
    name: str
    task: str
    states: tuple[int, ...]
    status: Status | None
    """None: it was not to be tested, or its states were not all executed before the end."""
    causes: tuple[str, ...] = ()
    """`checker: cause`, without what does not hold undisturbed either."""


class SweepReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is concluded from a sweep: `sweep.json`."""

    schema: int = 1
    scenario: str
    run: str
    pipeline: str
    seed: int
    views: tuple[str, ...]
    status: Status
    interrupted: bool = False
    tested: Tested
    failures: tuple[Failure, ...] = ()
    """The first is of the earliest point at which anything fails."""
    points: tuple[TestedPoint, ...] = ()
    controls: tuple[Verdict, ...] = ()
    """What does not hold undisturbed."""
    kills: tuple[KillResult, ...] = ()
    margins: Margins = Margins()
    results: tuple[StateResult, ...] = ()
    wall_s: float = 0.0
    """Of the states alone."""
    workers: int = 0
    versions: dict[str, str] = {}
    replay: str = ""


def name_of(state: int, view: str) -> str:
    """Return how the execution of a state under a view is called, which is its folder, too."""
    return str(state) if view == View.RESTARTED.value else f"{state}-{view}"


def status_of(verdicts: tuple[Verdict, ...]) -> Status:
    """Return the status of one state."""
    return worst(verdict.status for verdict in verdicts)
