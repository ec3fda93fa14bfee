"""What a real kill left and what followed it, held against the states built for its point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chaosml.event import Event
from chaosml.sweep.judging import Judge
from chaosml.sweep.landing import holdings, landing_of
from chaosml.sweep.points import Point
from chaosml.sweep.recording import Recording
from chaosml.sweep.result import KillResult, StateResult, status_of
from chaosml.timeline.collect import build
from chaosml.timeline.model import Timeline
from chaosml.verdict import Status
from chaosml.workflow.views import View

__all__ = ["Comparison", "unknown"]


class Comparison:
    """Compares executions that were killed with built states."""

    def __init__(self, recording: Recording, judge: Judge, results: Sequence[StateResult]) -> None:
        """Prepare.

        Args:
            recording: The recorded control.
            judge: Who judges both.
            results: Of the states: what followed a kill must be judged alike.
        """
        self._recording = recording
        self._judge = judge
        self._statuses = {
            one.state: one.status for one in results if one.view == View.RESTARTED.value
        }

    def compare(self, point: Point, events: Sequence[Event]) -> KillResult:
        """Return whether a kill at a point, whose history this is, landed in a built state."""
        timeline = build(events, self._recording.scenario)
        landing = landing_of(events, timeline, self._recording.contract)
        if landing.problem:
            return unknown(point, landing.problem)
        fields = frozenset(self._recording.scenario.pipeline.identity_fields)
        found = holdings(events, landing.versions, self._recording.contract, fields)
        for state in point.states:
            built = self._built(state, fields)
            if built == found:
                return self._judged(point, state, timeline, found)
        nearest = self._built(point.states[0], fields)
        return KillResult(
            point=point.number,
            name=point.name,
            status=Status.UNKNOWN,
            message="it landed in no state that was built for it, which is a bug of chaosml: "
            + _difference(nearest, found),
        )

    def _built(self, state: int, fields: frozenset[str]) -> Mapping[str, str]:
        """Return what a built state holds, in the same terms."""
        recording = self._recording
        versions: dict[str, str | None] = {}
        for number in recording.crashes.state(state).effects:
            effect = recording.effects[number - 1]
            if effect.puts_object:
                versions[effect.key] = effect.version
            elif effect.deletes:
                versions.pop(effect.key, None)
        return holdings(recording.events, versions, recording.contract, fields)

    def _judged(
        self, point: Point, state: int, timeline: Timeline, found: Mapping[str, str]
    ) -> KillResult:
        verdicts = self._judge.judge(timeline)
        status, built = status_of(verdicts), self._statuses.get(state)
        by_key = sum(not held for held in found.values())
        message = ""
        if built is None:
            message = "the state itself was not executed, so what followed compares with nothing"
        elif status is not built:
            message = (
                f"what followed the kill is {status.value}, what followed the built state "
                f"{built.value}: a bug of chaosml, or a pipeline that varies"
            )
        return KillResult(
            point=point.number,
            name=point.name,
            status=Status.UNKNOWN if message else Status.PASS,
            landed=state,
            compared=len(found) - by_key,
            by_key=by_key,
            message=message,
        )


def unknown(point: Point, why: str) -> KillResult:
    """Return that a kill shows nothing, and why."""
    return KillResult(point=point.number, name=point.name, status=Status.UNKNOWN, message=why)


def _difference(built: Mapping[str, str], found: Mapping[str, str]) -> str:
    missing, surplus = sorted(built.keys() - found.keys()), sorted(found.keys() - built.keys())
    other = sorted(key for key in built.keys() & found.keys() if built[key] != found[key])
    parts = [
        f"{words} {', '.join(keys[:3])}"
        for words, keys in (("missing", missing), ("surplus", surplus), ("different", other))
        if keys
    ]
    return "; ".join(parts) or "nothing differs"
