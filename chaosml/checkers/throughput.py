"""`throughput`: what a service in trouble did to a task, and for how long.

Decides `throughput-recovery` (until the task's step rate is back at 90 % of what every
control reached) and `requests-per-upload` (a retry storm sends many requests for each
object that the store gets). A limit is met if the upper end of the duration is within it,
broken if the lower end is past it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chaosml.checkers.evidence import Evidence, any_doubt, cite, infrastructure_doubt, unknown
from chaosml.timeline.analysis import Analysis
from chaosml.timeline.degradation import (
    RATE_SHARE,
    Degradation,
    Slowdown,
    find_degradations,
    measure_slowdown,
    step_times,
)
from chaosml.timeline.storage import WRITES, was_stored
from chaosml.verdict import EventRef, Measure, Status, Verdict

__all__ = ["Throughput", "measures_of", "requests_per_upload", "slowdowns"]

_NAME = "throughput"
_RECOVERY = "throughput-recovery"
_UPLOADS = "requests-per-upload"
_SUCCEEDED = "Succeeded"
_DIED_OF_DELAY = "died-of-slow-service"
_DIED_OF_BREAK = "died-of-broken-requests"


class Throughput:
    """Judges every trial in which a fault made the way to a service worse."""

    name = _NAME

    def check(self, evidence: Evidence) -> Sequence[Verdict]:
        """Return a verdict for each degraded trial and stated limit."""
        verdicts: list[Verdict] = []
        recovery = evidence.scenario.expect.throughput_recovery
        uploads = evidence.scenario.expect.requests_per_upload
        for trial in evidence.trials:
            if not _is_degraded(trial):
                continue
            if recovery is not None:
                verdicts += _judge_recovery(evidence, trial, recovery.at_most)
            if uploads is not None:
                verdicts.append(_judge_uploads(evidence, trial, uploads.at_most))
        return verdicts


def slowdowns(trial: Analysis, controls: Sequence[Analysis]) -> list[Slowdown]:
    """Return what each degradation of a trial did, as far as there are steps to tell it."""
    timelines = [control.timeline for control in controls if not any_doubt(control)]
    found = (
        measure_slowdown(trial.timeline, degradation, timelines)
        for degradation in find_degradations(trial.timeline)
    )
    return [one for one in found if one is not None]


def requests_per_upload(trial: Analysis, degradation: Degradation) -> tuple[float, int] | None:
    """Return write requests begun in a degradation per upload of use, and how many these were.

    Two uploads of the same content under the same key are of use once. None where nothing
    was written meanwhile.
    """
    uids = {pod.uid for pod in trial.timeline.pods_of(degradation.task)}
    until_ns = degradation.ended_ns or 0
    writes = [
        seen.fact
        for seen in trial.timeline.requests
        if seen.fact.uid in uids
        and seen.fact.operation in WRITES
        and degradation.began.latest_ns <= seen.at.earliest_ns <= until_ns
    ]
    useful = {(one.key, one.sha256 or one.version) for one in writes if was_stored(one)}
    return (len(writes) / max(1, len(useful)), len(useful)) if writes else None


def _is_degraded(trial: Analysis) -> bool:
    injections = trial.timeline.injections.values()
    return any(one.armed is not None and one.armed.fact.service is not None for one in injections)


def _refuse(evidence: Evidence, trial: Analysis, expectation: str) -> Verdict | None:
    """Return why a trial decides nothing, None where it may."""
    doubt = any_doubt(trial)
    if doubt:
        return unknown(_NAME, expectation, trial.name, "evidence-lost", doubt)
    if not evidence.is_valid(trial):
        words = "the service was not in trouble as planned: see effect"
        return unknown(_NAME, expectation, trial.name, "not-injected", words)
    return None


def _judge_recovery(evidence: Evidence, trial: Analysis, limit_s: float) -> Iterator[Verdict]:
    refusal = _refuse(evidence, trial, _RECOVERY)
    if refusal is not None:
        yield refusal
        return
    controls = [control for control in evidence.controls if not any_doubt(control)]
    for degradation in find_degradations(trial.timeline):
        steps = [step_times(control.timeline, degradation.task) for control in controls]
        if steps and not any(steps):
            # A task without steps has no rate that could be regained.
            continue
        timelines = [control.timeline for control in controls]
        slowdown = measure_slowdown(trial.timeline, degradation, timelines)
        if slowdown is None:
            words = f"{degradation.task} shows too few steps, there or in the controls"
            yield unknown(_NAME, _RECOVERY, trial.name, "not-measured", words)
        else:
            yield _judge_slowdown(trial, slowdown, limit_s)


def _judge_slowdown(trial: Analysis, slowdown: Slowdown, limit_s: float) -> Verdict:
    degradation = slowdown.degradation
    died = _died(trial, degradation)
    words = (
        f"{slowdown.rate_during:.1f} steps/s while {degradation.way} was in trouble, "
        f"{slowdown.rate_control:.1f} in the controls, longest stall {slowdown.stall_s:.2f}s; "
    )
    recovery = slowdown.recovery
    if recovery is None:
        status, cause, end = _judge_open(trial, slowdown, limit_s)
    else:
        cause = died[0] if died else "rate-back-too-late"
        end = f"back at {RATE_SHARE:.0%} after {recovery.middle_s:.2f}s, the limit is {limit_s:g}s"
        if recovery.high_s <= limit_s:
            status = Status.PASS
        elif recovery.low_s <= limit_s:
            status, cause = Status.UNKNOWN, "not-exact-enough"
        else:
            status = Status.FAIL
    if died:
        end += f"; {died[1]}"
    foreign = infrastructure_doubt(trial) if status is Status.FAIL else ""
    if foreign:
        status, cause, end = Status.UNKNOWN, "infrastructure-death", f"{end}, but {foreign}"
    return Verdict(
        checker=_NAME,
        expectation=_RECOVERY,
        execution=trial.name,
        status=status,
        cause=None if status is Status.PASS else cause,
        message=words + end,
        evidence=_cited(trial, degradation),
        measures=measures_of(slowdown),
    )


def _judge_open(trial: Analysis, slowdown: Slowdown, limit_s: float) -> tuple[Status, str, str]:
    """Judge a rate that was not seen to come back."""
    final = trial.timeline.final_phase
    died = _died(trial, slowdown.degradation)
    if final is not None and final.fact.phase != _SUCCEEDED:
        cause = died[0] if died else "never-recovered"
        return Status.FAIL, cause, f"it never came back: the workflow ended {final.fact.phase}"
    if slowdown.why_open == "training-ended":
        if slowdown.rate_during >= RATE_SHARE * slowdown.rate_control:
            return Status.PASS, "", "the rate did not suffer"
        words = "the task ended before a rate could be measured; let the fault come earlier"
        return Status.UNKNOWN, "not-measured", words
    words = f"not back at {RATE_SHARE:.0%} in the {slowdown.seen_s:.1f}s that the task went on"
    if slowdown.seen_s > limit_s:
        return Status.FAIL, "never-recovered", f"{words}; the limit is {limit_s:g}s"
    return Status.UNKNOWN, "not-measured", f"{words}, less than the limit of {limit_s:g}s"


def _died(trial: Analysis, degradation: Degradation) -> tuple[str, str] | None:
    """Return cause and words where an attempt ended badly of a service in trouble."""
    for pod in trial.timeline.pods_of(degradation.task):
        if pod.exited is not None and degradation.saw_failure_of(pod):
            words = f"attempt {pod.attempt} exited {pod.exited.fact.exit_code} meanwhile"
            return _DIED_OF_BREAK if degradation.breaks else _DIED_OF_DELAY, words
    return None


def _cited(trial: Analysis, degradation: Degradation) -> tuple[EventRef, ...]:
    return (
        *cite(trial, degradation.began, f"{degradation.way} is in trouble"),
        *cite(trial, degradation.ended, f"{degradation.way} is well again"),
    )


def measures_of(slowdown: Slowdown) -> dict[str, Measure]:
    """Return a slowdown in figures."""
    measures: dict[str, Measure] = {
        "steps_per_s_during": round(slowdown.rate_during, 3),
        "steps_per_s_control": round(slowdown.rate_control, 3),
        "stall_s": round(slowdown.stall_s, 6),
    }
    if slowdown.recovery is not None:
        measures["throughput_recovery_s"] = round(slowdown.recovery.middle_s, 6)
    return measures


def _judge_uploads(evidence: Evidence, trial: Analysis, most: float) -> Verdict:
    refusal = _refuse(evidence, trial, _UPLOADS)
    if refusal is not None:
        return refusal
    degraded = find_degradations(trial.timeline)
    figures = [(one, requests_per_upload(trial, one)) for one in degraded]
    known = [(one, figure) for one, figure in figures if figure is not None]
    if not known:
        words = "nothing that the task wrote came to the store while it was in trouble"
        return unknown(_NAME, _UPLOADS, trial.name, "not-measured", words)
    degradation, (ratio, uploads) = max(known, key=lambda one: one[1][0])
    words = (
        f"{degradation.task} sent {ratio:.2f} write requests for each upload of use while "
        f"{degradation.way} was in trouble ({uploads} of these), the limit is {most:g}"
    )
    broken = ratio > most
    return Verdict(
        checker=_NAME,
        expectation=_UPLOADS,
        execution=trial.name,
        status=Status.FAIL if broken else Status.PASS,
        cause="retry-storm" if broken else None,
        message=words,
        evidence=_cited(trial, degradation),
        measures={"requests_per_upload": round(ratio, 3)},
        advice="wait longer before each further try, and with chance" if broken else None,
    )
