"""What a test gets back from a run: typed values that say, when an assert fails, why.

`assert result["resume"]` shows the finding, `assert result.mttr_s < 60` the trials behind the
figure; both show the command that replays the run.
"""

from __future__ import annotations

import pathlib
from dataclasses import dataclass

from chaosml.errors import HarnessError
from chaosml.reports import explanation, figures
from chaosml.reports.wording import printable
from chaosml.verdict import ExecutionSummary, Judgement, Status, Verdict

__all__ = ["Figure", "Held", "ScenarioResult", "explain_comparison"]

_EXPECTATIONS = {"mttr_s": "mttr", "lost_steps": "lost-steps", "waste": "compute-waste"}
"""Measures with the expectation whose PASS allows a trial to have none."""


class Figure(float):
    """The worst of a measure over the trials: a float that knows where it comes from."""

    name: str
    origin: str
    replay: str

    @classmethod
    def of(cls, value: float, *, name: str, origin: str, replay: str) -> Figure:
        """Return a figure."""
        figure = cls(value)
        figure.name, figure.origin, figure.replay = name, origin, replay
        return figure


@dataclass(frozen=True, slots=True, repr=False)
class Held:
    """One expectation of a run; true only if it passed in a run where nothing is INVALID."""

    name: str
    result: ScenarioResult

    @property
    def standing(self) -> str:
        """`PASS`, `FAIL`, `UNKNOWN`, `INVALID` or `INTERRUPTED`."""
        return explanation.standing(self.result.judgement, self.name)

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The verdicts behind it, execution by execution."""
        verdicts = self.result.judgement.verdicts
        return tuple(one for one in verdicts if one.expectation == self.name)

    def __bool__(self) -> bool:
        return self.standing == Status.PASS.value

    def __repr__(self) -> str:
        words = explanation.brief(self.result.judgement, self.name)
        return f"<{words} | replay: {printable(self.result.replay)}>"


@dataclass(frozen=True, slots=True, repr=False)
class ScenarioResult:
    """A judged run; true only if everything that the scenario expects held."""

    judgement: Judgement
    directory: pathlib.Path

    @property
    def status(self) -> Status:
        """PASS, FAIL or UNKNOWN for the whole run."""
        return self.judgement.status

    @property
    def passed(self) -> bool:
        """Whether every expectation held and every fault took effect."""
        return bool(self)

    @property
    def replay(self) -> str:
        """The command that runs the same plan again."""
        return self.judgement.replay

    @property
    def controls(self) -> tuple[ExecutionSummary, ...]:
        """The undisturbed executions in figures."""
        return self._executions("control/")

    @property
    def trials(self) -> tuple[ExecutionSummary, ...]:
        """The disturbed executions in figures."""
        return self._executions("trial/")

    @property
    def causes(self) -> frozenset[str]:
        """Slugs of everything that failed, such as `half-trained-model-registered`."""
        failed = [one for one in self.judgement.verdicts if one.status is Status.FAIL]
        return frozenset(one.cause for one in failed if one.cause is not None)

    @property
    def mttr_s(self) -> Figure:
        """Longest recovery, from the strike to the first step beyond the last one before it."""
        return self.worst("mttr_s")

    @property
    def lost_steps(self) -> Figure:
        """Most steps that had to be done again after an outage."""
        return self.worst("lost_steps")

    @property
    def waste(self) -> Figure:
        """Most pod-seconds of a trial over the mean of the controls, minus 1."""
        return self.worst("waste")

    def worst(self, measure: str) -> Figure:
        """Return the largest value of a measure over the trials.

        Raises:
            HarnessError: it is not known: a trial is INVALID or has no such figure.
        """
        values, missing = {}, []
        for trial in self.trials:
            value = figures.number(trial.measures, measure)
            if value is None or not trial.valid:
                missing += [] if self._may_lack(trial, measure) else [trial.execution]
            else:
                values[trial.execution] = value
        if missing or not values:
            where = ", ".join(missing) or "any trial"
            raise HarnessError(
                f"{measure} is UNKNOWN: not measured in {where} of {self.directory}; "
                f"replay: {self.replay}"
            )
        origin = ", ".join(f"{name} {value:g}" for name, value in values.items())
        worst = max(values.values())
        return Figure.of(worst, name=measure, origin=origin, replay=printable(self.replay))

    def _may_lack(self, trial: ExecutionSummary, measure: str) -> bool:
        """Whether a valid trial was judged to have nothing to measure, such as no outage."""
        judged = [
            one.status
            for one in self.judgement.verdicts
            if one.execution == trial.execution
            and one.expectation == _EXPECTATIONS.get(measure, measure)
        ]
        return trial.valid and bool(judged) and set(judged) == {Status.PASS}

    def _executions(self, prefix: str) -> tuple[ExecutionSummary, ...]:
        executions = self.judgement.executions
        return tuple(one for one in executions if one.execution.startswith(prefix))

    def __getitem__(self, expectation: str) -> Held:
        """Return an expectation by its key under `expect:`, or `effect`.

        Raises:
            KeyError: the scenario does not state it.
        """
        stated = {one.expectation for one in self.judgement.verdicts}
        if expectation not in stated:
            raise KeyError(f"{expectation!r}: the scenario states {', '.join(sorted(stated))}")
        return Held(expectation, self)

    def __bool__(self) -> bool:
        return explanation.standing(self.judgement, explanation.WHOLE) == Status.PASS.value

    def __repr__(self) -> str:
        words = explanation.brief(self.judgement, explanation.WHOLE)
        return f"<{printable(self.judgement.scenario)}: {words} | replay: {printable(self.replay)}>"

    def explain(self) -> str:
        """Return what did not hold, with its evidence, in lines for people."""
        judged = [one.name for one in figures.expectations(self.judgement)]
        broken = [name for name in judged if explanation.standing(self.judgement, name) != "PASS"]
        names = broken or [explanation.WHOLE]
        return "\n".join(
            explanation.explain(self.judgement, name, self.directory) for name in names
        )


def explain_comparison(op: str, left: object, right: object) -> list[str] | None:
    """Return the lines that pytest shows where a comparison with a figure failed."""
    figure = left if isinstance(left, Figure) else right
    if not isinstance(figure, Figure):
        return None
    return [
        f"{left!r} {op} {right!r}",
        f"{figure.name} is the worst of: {figure.origin}",
        f"replay: {figure.replay}",
    ]
