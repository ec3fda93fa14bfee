"""`recovery`: how long until lost progress was regained, and how many steps were lost.

Decides `mttr` and `lost-steps`. A limit is met if the upper end of the duration is
within it, broken if the lower end is past it. An outage that never ended is a
FAIL, one that the deadline cut off is UNKNOWN, and neither is dropped from a mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from chaosml.checkers.evidence import (
    WAITING_FOR_CAPACITY,
    Evidence,
    any_doubt,
    cite,
    infrastructure_doubt,
    unknown,
)
from chaosml.scenario.model import Limit
from chaosml.timeline.analysis import Analysis
from chaosml.timeline.moment import Span
from chaosml.timeline.recovery import Outage, without_capacity
from chaosml.verdict import EventRef, Status, Verdict, worst

__all__ = ["Recovery"]

_NAME = "recovery"
_P95 = 0.95
_KILLED = 137


class Recovery:
    """Judges every outage, then mean and 95th percentile over all of them."""

    name = _NAME

    def check(self, evidence: Evidence) -> Sequence[Verdict]:
        """Return a verdict for each trial and stated limit; nothing where no limit is stated."""
        verdicts: list[Verdict] = []
        limit = evidence.scenario.expect.mttr
        if limit is not None:
            each = [_judge_mttr(evidence, trial, limit) for trial in evidence.trials]
            verdicts += each
            verdicts += _judge_whole(evidence, limit, each)
        steps = evidence.scenario.expect.lost_steps
        if steps is not None:
            verdicts += [_judge_steps(evidence, one, steps.at_most) for one in evidence.trials]
        return verdicts


def _say(
    trial: Analysis | None,
    expectation: str,
    status: Status,
    cause: str | None,
    message: str,
    refs: tuple[EventRef, ...] = (),
    measures: dict[str, str | int | float | bool | None] | None = None,
) -> Verdict:
    return Verdict(
        checker=_NAME,
        expectation=expectation,
        execution=None if trial is None else trial.name,
        status=status,
        cause=cause,
        message=message,
        evidence=refs,
        measures=measures or {},
    )


def _judge_mttr(evidence: Evidence, trial: Analysis, limit: Limit) -> Verdict:
    doubt = any_doubt(trial)
    if doubt:
        return unknown(_NAME, "mttr", trial.name, "evidence-lost", doubt)
    if not trial.outages:
        if evidence.is_valid(trial):
            return _say(trial, "mttr", Status.PASS, None, "the fault interrupted no work")
        return unknown(
            _NAME, "mttr", trial.name, "not-injected", "no outage was caused: see effect"
        )
    judged = [_judge_outage(trial, outage, limit) for outage in trial.outages]
    return max(judged, key=lambda verdict: verdict.status.severity)


def _judge_outage(trial: Analysis, outage: Outage, limit: Limit) -> Verdict:
    refs = (
        *cite(trial, outage.began, f"outage of {outage.task} begins"),
        *cite(trial, outage.recovered, "progress regained"),
    )
    if outage.duration is None:
        return _judge_unended(trial, outage, refs)
    duration = _counted(outage, limit)
    parts = {name: round(seconds, 6) for name, seconds in outage.parts.items()}
    words = f"recovered in {_seconds(duration)}: " + ", ".join(
        f"{name.removesuffix('_s').replace('_', ' ')} {seconds:.2f}s"
        for name, seconds in parts.items()
    )
    measures: dict[str, str | int | float | bool | None] = {
        "mttr_s": duration.middle_s,
        **parts,
    }
    if limit.at_most is None or duration.high_s <= limit.at_most:
        return _say(trial, "mttr", Status.PASS, None, words, refs, measures)
    words += f"; the limit is {limit.at_most:g}s"
    if duration.low_s <= limit.at_most:
        return _say(trial, "mttr", Status.UNKNOWN, "not-exact-enough", words, refs, measures)
    if duration.low_s - outage.waiting_s <= limit.at_most:
        words += f", and {outage.waiting_s:.1f}s of it were spent waiting for capacity"
        return _say(trial, "mttr", Status.UNKNOWN, WAITING_FOR_CAPACITY, words, refs, measures)
    foreign = infrastructure_doubt(trial)
    if foreign:
        words += f", but {foreign}"
        return _say(trial, "mttr", Status.UNKNOWN, "infrastructure-death", words, refs, measures)
    return _say(trial, "mttr", Status.FAIL, "recovery-too-slow", words, refs, measures)


def _judge_unended(trial: Analysis, outage: Outage, refs: tuple[EventRef, ...]) -> Verdict:
    """Judge an outage after which no progress beyond the mark was seen."""
    final = trial.timeline.final_phase
    where = f"{outage.task} stood at step {outage.mark}" if outage.mark else f"{outage.task} died"
    if final is None:
        waits = without_capacity(trial.timeline)
        if waits is not None:
            refs = (*refs, *cite(trial, waits.at, "no node takes the next pod"))
            words = f"{where}, and no node took its next pod until watching ended: censored"
            return _say(trial, "mttr", Status.UNKNOWN, WAITING_FOR_CAPACITY, words, refs)
        ended = trial.timeline.ended
        reason = "not-ended" if ended is None else ended.fact.reason
        words = f"{where} and had not recovered when watching ended ({reason}): censored"
        return _say(trial, "mttr", Status.UNKNOWN, reason, words, refs)
    refs = (*refs, *cite(trial, final.at, f"workflow {final.fact.phase}"))
    foreign = infrastructure_doubt(trial)
    if foreign:
        return _say(trial, "mttr", Status.UNKNOWN, "infrastructure-death", foreign, refs)
    if final.fact.phase == "Succeeded" and trial.final_step is None:
        words = f"{where}, and it is not known whether that was the end of training"
        return _say(trial, "mttr", Status.UNKNOWN, "final-step-unknown", words, refs)
    words = f"{where} and never went further; the workflow ended {final.fact.phase}"
    return _say(trial, "mttr", Status.FAIL, "never-recovered", words, refs)


def _counted(outage: Outage, limit: Limit) -> Span:
    """Return the duration that a limit counts."""
    duration = outage.duration or Span(0.0, 0.0)
    if "scheduling" in limit.excluding:
        scheduling_s = outage.parts.get("reschedule_s", 0.0)
        return duration.minus(Span(scheduling_s, scheduling_s))
    return duration


def _judge_whole(evidence: Evidence, limit: Limit, each: list[Verdict]) -> list[Verdict]:
    """Judge mean and 95th percentile; an outage without an end decides them too."""
    wanted = {"mean": limit.mean, "p95": limit.p95}
    counted = [trial for trial in evidence.trials if not evidence.is_excluded(trial)]
    names = {trial.name for trial in counted}
    open_ = [verdict for verdict in each if verdict.execution in names and not _is_known(verdict)]
    spans = [
        _counted(outage, limit)
        for trial in counted
        for outage in trial.outages
        if outage.duration is not None
    ]
    found = []
    for name, most in wanted.items():
        if most is None:
            continue
        if open_ or not spans:
            status = worst(verdict.status for verdict in open_) if open_ else Status.UNKNOWN
            words = f"{len(open_)} outages have no end" if open_ else "no outage was measured"
            cause = open_[0].cause if open_ else "no-outage"
            found.append(_say(None, "mttr", status, cause, f"{name}: {words}"))
            continue
        found.append(_judge_figure(name, _figure(name, spans), most, len(spans)))
    return found


def _is_known(verdict: Verdict) -> bool:
    """Whether a trial's recoveries were all measured, or there was none to measure."""
    return "mttr_s" in verdict.measures or verdict.status is Status.PASS


def _figure(name: str, spans: list[Span]) -> Span:
    if name == "mean":
        count = len(spans)
        return Span(
            math.fsum(span.low_s for span in spans) / count,
            math.fsum(span.high_s for span in spans) / count,
        )
    rank = max(0, math.ceil(_P95 * len(spans)) - 1)
    return Span(
        sorted(span.low_s for span in spans)[rank], sorted(span.high_s for span in spans)[rank]
    )


def _judge_figure(name: str, figure: Span, most: float, count: int) -> Verdict:
    words = f"{name} of {count} recoveries {_seconds(figure)}, the limit is {most:g}s"
    measures: dict[str, str | int | float | bool | None] = {
        f"mttr_{name}_s": figure.middle_s,
        "recoveries": count,
    }
    if figure.high_s <= most:
        return _say(None, "mttr", Status.PASS, None, words, (), measures)
    if figure.low_s > most:
        return _say(None, "mttr", Status.FAIL, "recovery-too-slow", words, (), measures)
    return _say(None, "mttr", Status.UNKNOWN, "not-exact-enough", words, (), measures)


def _judge_steps(evidence: Evidence, trial: Analysis, most: int) -> Verdict:
    expectation = "lost-steps"
    doubt = any_doubt(trial)
    if doubt:
        return unknown(_NAME, expectation, trial.name, "evidence-lost", doubt)
    if not trial.outages and not evidence.is_valid(trial):
        words = "no outage was caused: see effect"
        return unknown(_NAME, expectation, trial.name, "not-injected", words)
    training = trial.timeline.training_task
    if not any(one.lineage.parts for one in evidence.executions) and any(
        outage.task == training for outage in trial.outages
    ):
        words = "the pipeline claims no steps, so none can be counted"
        return unknown(_NAME, expectation, trial.name, "no-ledger", words)
    total = 0
    refs: tuple[EventRef, ...] = ()
    cut_short = next((outage for outage in trial.outages if _ran_out_of_grace(outage)), None)
    for outage in trial.outages:
        if not outage.mark:
            continue
        lost = outage.lost_steps
        if lost is None and trial.final_step is not None and outage.mark >= trial.final_step:
            lost = 0
        refs = (
            *refs,
            *cite(trial, outage.began, f"outage at step {outage.mark}"),
            *cite(trial, outage.restored, f"restored step {outage.restored_step}"),
        )
        if lost is None and outage.next_pod is None:
            words = f"no attempt went on after step {outage.mark}: see mttr"
            return _say(trial, expectation, Status.UNKNOWN, "never-recovered", words, refs)
        if lost is None:
            words = f"nothing says what was restored after step {outage.mark}"
            return _say(trial, expectation, Status.UNKNOWN, "not-restored", words, refs)
        total = max(total, lost)
    words = f"at most {total} steps were lost in an outage, the limit is {most}"
    measures: dict[str, str | int | float | bool | None] = {"lost_steps": total}
    if total <= most:
        return _say(trial, expectation, Status.PASS, None, words, refs, measures)
    cause = "too-many-steps-lost"
    if cut_short is not None:
        cause = "grace-ran-out"
        words += f"; pod {cut_short.pod.uid} was asked to end and killed before it had done so"
    return _say(trial, expectation, Status.FAIL, cause, words, refs, measures)


def _ran_out_of_grace(outage: Outage) -> bool:
    """Whether the pod was given time to end, and it was not enough."""
    exited = outage.pod.exited
    granted = [seen for seen in outage.pod.deletions if seen.fact.grace_s]
    return bool(granted) and exited is not None and exited.fact.exit_code == _KILLED


def _seconds(span: Span) -> str:
    if span.high_s - span.low_s < 0.005:
        return f"{span.middle_s:.2f}s"
    return f"{span.low_s:.2f}s to {span.high_s:.2f}s"
