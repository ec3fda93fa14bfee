"""The verdict over one state, by the checkers that judge a trial's result.

What rests on times (recovery, waste, throughput) is not asked: the time between a
recording and its going on is nobody's.
"""

from __future__ import annotations

from collections.abc import Sequence

from chaosml.checkers.corruption import Corruption
from chaosml.checkers.evidence import Checker, Evidence
from chaosml.checkers.lineage import Lineage
from chaosml.checkers.outcome import Outcome
from chaosml.checkers.resume import Resume
from chaosml.plan.model import Plan
from chaosml.scenario.model import Scenario
from chaosml.sweep.recording import Recording
from chaosml.sweep.result import StateResult, status_of
from chaosml.timeline.analysis import Analysis
from chaosml.timeline.model import Timeline
from chaosml.verdict import Status, Verdict

__all__ = ["Judge"]

_CHECKERS: tuple[Checker, ...] = (Outcome(), Resume(), Corruption(), Lineage())


class Judge:
    """Holds states against the controls, which are analysed once."""

    def __init__(
        self, recording: Recording, controls: Sequence[Timeline], policies: dict[str, str]
    ) -> None:
        """Take the controls.

        Args:
            recording: The recorded control, for scenario and contract.
            controls: Every control, the recorded one first.
            policies: Retry policy by task, for the words of the verdicts.
        """
        self._recording = recording
        expect = recording.scenario.expect
        # A rate says nothing about a state: it is corrupt or it is not.
        self._scenario: Scenario = recording.scenario.model_copy(
            update={"expect": expect.model_copy(update={"corruption": "none"})}
        )
        self._contract = recording.contract
        finals = {one.final_step for one in self._contract.artifacts} - {None}
        self._final_step = finals.pop() if len(finals) == 1 else None
        self._controls = tuple(self._analyse(one) for one in controls)
        self._policies = policies

    def _analyse(self, timeline: Timeline) -> Analysis:
        return Analysis(timeline, self._contract, self._final_step)

    def judge(self, timeline: Timeline) -> tuple[Verdict, ...]:
        """Return the verdicts about a state's execution."""
        return tuple(
            verdict
            for checker in _CHECKERS
            for verdict in checker.check(self._evidence((self._analyse(timeline),)))
            if verdict.execution == timeline.execution
        )

    def result(self, state: int, view: str, timeline: Timeline, *, wall_s: float) -> StateResult:
        """Return what became of a state whose execution this is."""
        verdicts = self.judge(timeline)
        return StateResult(
            state=state,
            view=view,
            status=status_of(verdicts),
            verdicts=tuple(one for one in verdicts if one.status is not Status.PASS),
            wall_s=wall_s,
            interruptions=len(self._recording.crashes.state(state).crashed),
            errors=_failed_by_themselves(timeline),
        )

    def controls(self) -> tuple[Verdict, ...]:
        """Return the verdicts about the controls: what fails undisturbed proves nothing else."""
        return tuple(
            verdict
            for checker in _CHECKERS
            for verdict in checker.check(self._evidence(()))
            if verdict.execution is not None
        )

    def _evidence(self, states: tuple[Analysis, ...]) -> Evidence:
        plan = Plan(
            seed=self._scenario.seed, controls=0, controls_max=0, trials=(), cases=(), undealt=()
        )
        return Evidence(
            scenario=self._scenario,
            plan=plan,
            contract=self._contract,
            controls=self._controls,
            trials=states,
            receipts={},
            policies=self._policies,
        )


def _failed_by_themselves(timeline: Timeline) -> int:
    return sum(
        pod.exited is not None and pod.exited.fact.exit_code != 0 and not pod.strikes
        for pod in timeline.pods.values()
    )
