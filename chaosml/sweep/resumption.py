"""Argo's controller, recorded and taken up again at the moment of a crash.

The reducer is pure: started at the recorded time and given the recorded observations, it
stands where it stood. Then it observes that the pods which ran are gone.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from chaosml import clock
from chaosml.errors import HarnessError
from chaosml.substrates.protocol import Submission
from chaosml.workflow import load, protocol, reducer
from chaosml.workflow.protocol import (
    Change,
    Command,
    CreatePod,
    Observation,
    PodCompleted,
    PodVanished,
    StopPod,
    WakeAt,
)
from chaosml.workflow.reducer import Reduction, State
from chaosml.workflow.state import is_fulfilled
from chaosml.workflow.views import View

__all__ = ["Course", "RecordingController", "ResumingController", "Resumption"]

_KILLED = 137


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """What Argo's controller was given during an execution."""

    started_ns: int
    created_at: datetime.datetime
    observations: tuple[dict[str, Any], ...]

    def replay(self) -> list[Observation]:
        """Return the observations in their order."""
        return [
            msgspec.convert(
                {name: value for name, value in one.items() if name != "kind"},
                getattr(protocol, one["kind"]),
            )
            for one in self.observations
        ]


class RecordingController:
    """The reducer, which keeps what it was given."""

    def __init__(self) -> None:
        self._started_ns = 0
        self._created_at = clock.utc_now()
        self._observations: list[Observation] = []

    @property
    def course(self) -> Course:
        """What it was given since the last start."""
        return Course(
            started_ns=self._started_ns,
            created_at=self._created_at,
            observations=tuple(
                {"kind": type(one).__name__, **dataclasses.asdict(one)}
                for one in self._observations
            ),
        )

    def start(self, submission: Submission) -> Reduction:
        """Begin a workflow, and the recording anew."""
        self._started_ns, self._created_at = clock.monotonic_ns(), clock.utc_now()
        self._observations = []
        return _start(submission, self._started_ns, self._created_at)

    def reduce(self, state: Any, observation: Observation) -> Reduction:
        """Decide what follows from an observation."""
        self._observations.append(observation)
        return reducer.reduce(state, observation)


def _start(submission: Submission, at_ns: int, created_at: datetime.datetime) -> Reduction:
    loaded = load.load(submission.workflow_file, submission.parameters)
    return reducer.start(
        loaded.model,
        name=submission.name,
        uid=submission.name,
        parameters=submission.parameters,
        at_ns=at_ns,
        created_at=created_at,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """A workflow as it stood at the moment of a crash."""

    course: Course
    ended: frozenset[str]
    """Names of the pods that had ended."""
    running: Mapping[str, bool]
    """Names of the pods that the crash ended, with whether they were seen running."""
    view: View
    crashed_ns: int
    """On the clock of the recording."""
    shift_ns: int
    """From the clock of the recording to the one of now."""
    changes: list[tuple[int, Change]] = field(default_factory=list)
    """What had changed before the crash, with its time: filled by the start."""


class ResumingController:
    """The reducer, whose start is the crash of a recorded workflow."""

    def __init__(self) -> None:
        self.resumption: Resumption | None = None
        """What the next start takes up."""

    def start(self, submission: Submission) -> Reduction:
        """Take the workflow up; what had to be done before the crash is not asked for again.

        Raises:
            HarnessError: the recording does not lead to where it led.
        """
        if self.resumption is None:
            raise HarnessError("no crash was chosen to start from")
        return _Replay(submission, self.resumption).run()

    def reduce(self, state: Any, observation: Observation) -> Reduction:
        """Decide what follows from an observation."""
        return reducer.reduce(state, observation)


class _Replay:
    """Brings the reducer to the crash and through it."""

    def __init__(self, submission: Submission, resumption: Resumption) -> None:
        self._submission = submission
        self._resumption = resumption
        self._wanted: dict[str, CreatePod] = {}
        """Pods that were asked for and have not ended."""
        self._wakes: list[Command] = []

    def run(self) -> Reduction:
        resumption, course = self._resumption, self._resumption.course
        shift_ns = resumption.shift_ns
        decision = _start(self._submission, course.started_ns + shift_ns, course.created_at)
        state = self._take(decision)
        for observation in course.replay():
            if self._happened(observation):
                moved = dataclasses.replace(observation, at_ns=observation.at_ns + shift_ns)
                state = self._take(reducer.reduce(state, moved))
        lost = set(resumption.running) - self._wanted.keys()
        if lost:
            names = ", ".join(sorted(lost))
            raise HarnessError(f"the recorded observations never led to the pods {names}")
        return self._crash(state)

    def _happened(self, observation: Observation) -> bool:
        """Whether the controller had seen it when the crash came."""
        match observation:
            case PodCompleted(pod=pod) | PodVanished(pod=pod):
                return pod in self._resumption.ended
            case protocol.PodRunning(pod=pod):
                ended = pod in self._resumption.ended
                return ended or self._resumption.running.get(pod, False)
            case protocol.PodPending(pod=pod):
                return pod in self._resumption.ended
            case _:
                return observation.at_ns <= self._resumption.crashed_ns

    def _take(self, decision: Reduction) -> State:
        at_ns = decision.state.now_ns
        self._resumption.changes.extend((at_ns, change) for change in decision.changes)
        for change in decision.changes:
            if is_fulfilled(change.vertex) and change.vertex.pod is not None:
                self._wanted.pop(change.vertex.pod, None)
        for command in decision.commands:
            match command:
                case CreatePod(spec):
                    self._wanted[spec.pod] = command
                case WakeAt():
                    self._wakes.append(command)
        return decision.state

    def _crash(self, state: State) -> Reduction:
        """Let the controller see the deaths; return everything that is to be done from here on."""
        now_ns = clock.monotonic_ns()
        changes: list[Change] = []
        commands: list[Command] = [
            command for pod, command in self._wanted.items() if pod not in self._resumption.running
        ]
        for pod in self._resumption.running:
            decision = reducer.reduce(state, self._death(pod, now_ns))
            state = decision.state
            changes += decision.changes
            commands += [one for one in decision.commands if not isinstance(one, StopPod)]
        return Reduction(state, (*self._wakes, *commands), tuple(changes))

    def _death(self, pod: str, at_ns: int) -> Observation:
        match self._resumption.view:
            case View.SEEN | View.WAIT_FAILED:
                return PodCompleted(pod, at_ns, _KILLED)
            case view:
                return PodVanished(pod, at_ns, graceless=view is View.RESTARTED)
