"""`waste`: the compute that a trial used beyond what the controls needed, and what for."""

from __future__ import annotations

from collections.abc import Sequence

from chaosml.checkers.endings import false_success
from chaosml.checkers.evidence import Evidence, any_doubt, infrastructure_doubt, unknown
from chaosml.timeline.analysis import Analysis
from chaosml.timeline.moment import Span
from chaosml.verdict import Status, Verdict

__all__ = ["Waste", "waste_of"]

_NAME = "waste"
_EXPECTATION = "compute-waste"


class Waste:
    """Compares CPU-seconds of each trial with the mean of the controls."""

    name = _NAME

    def check(self, evidence: Evidence) -> Sequence[Verdict]:
        """Return one verdict for each trial; nothing where no limit is stated."""
        limit = evidence.scenario.expect.compute_waste
        if limit is None:
            return []
        return [_judge(evidence, trial, limit.at_most) for trial in evidence.trials]


def waste_of(trial: Analysis, controls: Sequence[Analysis]) -> Span | None:
    """Return the trial's compute over the controls' mean, minus 1; None where not known."""
    usages = [control.usage for control in controls]
    known = [usage for usage in usages if usage is not None and usage.total.low_s > 0]
    if trial.usage is None or not known or len(known) < len(usages):
        return None
    low = sum(usage.total.low_s for usage in known) / len(known)
    high = sum(usage.total.high_s for usage in known) / len(known)
    return Span(trial.usage.total.low_s / high - 1, trial.usage.total.high_s / low - 1)


def _judge(evidence: Evidence, trial: Analysis, most: float) -> Verdict:
    doubt = next(
        (doubt for one in (trial, *evidence.controls) for doubt in [any_doubt(one)] if doubt), ""
    )
    if doubt:
        return unknown(_NAME, _EXPECTATION, trial.name, "evidence-lost", doubt)
    final = trial.timeline.final_phase
    if final is None or final.fact.phase != "Succeeded":
        words = "the workflow did not succeed, so its compute compares with nothing: see outcome"
        return unknown(_NAME, _EXPECTATION, trial.name, "no-final-state", words)
    early = false_success(trial)
    if early is not None:
        words = f"{early}: less work costs less"
        return unknown(_NAME, _EXPECTATION, trial.name, "training-ended-early", words)
    waste = waste_of(trial, evidence.controls)
    if waste is None or trial.usage is None:
        words = "the start or end of a pod is not known"
        return unknown(_NAME, _EXPECTATION, trial.name, "not-measured", words)
    shares = {
        f"{name}_share": round(share, 6)
        for name, share in trial.usage.shares.items()
        if share > 0 or name == "useful"
    }
    words = (
        f"{100 * waste.middle_s:+.1f} % compute over the controls, "
        f"the limit is {100 * most:.0f} %: "
        + ", ".join(
            f"{name.removesuffix('_share').replace('_', ' ')} {100 * share:.1f} %"
            for name, share in shares.items()
        )
    )
    status, cause = Status.UNKNOWN, "not-exact-enough"
    if waste.high_s <= most:
        status, cause = Status.PASS, ""
    elif waste.low_s > most:
        status, cause = Status.FAIL, "too-much-waste"
        if infrastructure_doubt(trial):
            status, cause = Status.UNKNOWN, "infrastructure-death"
    return Verdict(
        checker=_NAME,
        expectation=_EXPECTATION,
        execution=trial.name,
        status=status,
        cause=cause or None,
        message=words,
        measures={"waste": waste.middle_s, **shares},
    )
