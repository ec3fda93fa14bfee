"""`waste`: what an execution used up or left lying about beyond need.

Decides `compute-waste`, the compute that a trial used beyond what the controls needed, and
`orphan-uploads`, what a store keeps and bills of uploads that nobody ended.
"""

from __future__ import annotations

from collections.abc import Sequence

from chaosml.checkers.endings import false_success
from chaosml.checkers.evidence import Evidence, any_doubt, cite, infrastructure_doubt, unknown
from chaosml.timeline.analysis import Analysis
from chaosml.timeline.moment import Span
from chaosml.verdict import Status, Verdict

__all__ = ["Waste", "waste_of"]

_NAME = "waste"
_EXPECTATION = "compute-waste"
_UPLOADS = "orphan-uploads"
_SHOWN_MAX = 5


class Waste:
    """Compares CPU-seconds of each trial with the mean of the controls; counts left-overs."""

    name = _NAME

    def check(self, evidence: Evidence) -> Sequence[Verdict]:
        """Return a verdict for each stated limit: of compute for trials, of uploads for all."""
        verdicts: list[Verdict] = []
        compute = evidence.scenario.expect.compute_waste
        if compute is not None:
            verdicts += [_judge(evidence, one, compute.at_most) for one in evidence.trials]
        uploads = evidence.scenario.expect.orphan_uploads
        if uploads is not None:
            verdicts += [_judge_uploads(one, uploads.at_most) for one in evidence.executions]
        return verdicts


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


def _judge_uploads(execution: Analysis, most: int) -> Verdict:
    """Judge what the store still keeps of uploads that were begun and never ended."""
    pending = execution.timeline.pending
    if len(pending) > most:
        keys = ", ".join(seen.fact.key for seen in pending[:_SHOWN_MAX])
        return Verdict(
            checker=_NAME,
            expectation=_UPLOADS,
            execution=execution.name,
            status=Status.FAIL,
            cause="orphan-upload",
            message=f"{len(pending)} multipart uploads were never ended, the limit is {most}: "
            f"{keys}",
            evidence=tuple(
                ref
                for seen in pending[:_SHOWN_MAX]
                for ref in cite(execution, seen.at, f"upload of {seen.fact.key} is open")
            ),
            measures={"orphan_uploads": len(pending)},
            advice="abort what an earlier attempt began, and give the bucket a lifecycle rule "
            "AbortIncompleteMultipartUpload: no listing of objects shows these parts",
        )
    doubt = execution.timeline.doubt_of_store()
    if doubt:
        return unknown(_NAME, _UPLOADS, execution.name, "evidence-lost", doubt)
    return Verdict(
        checker=_NAME,
        expectation=_UPLOADS,
        execution=execution.name,
        status=Status.PASS,
        message=f"{len(pending)} multipart uploads were left open, the limit is {most}",
        measures={"orphan_uploads": len(pending)},
    )
