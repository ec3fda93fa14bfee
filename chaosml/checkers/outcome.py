"""`outcome`: whether the workflow ended as expected, and if not, which task and retry rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chaosml.checkers.endings import EXIT_ADVICE, false_success
from chaosml.checkers.evidence import (
    WAITING_FOR_CAPACITY,
    Evidence,
    cite,
    infrastructure_doubt,
    is_control,
    unknown,
)
from chaosml.event import TaskPhase
from chaosml.timeline.analysis import Analysis
from chaosml.timeline.moment import Seen, passed
from chaosml.timeline.recovery import without_capacity
from chaosml.timeline.sources import ARGO, KUBELET
from chaosml.verdict import Status, Verdict

__all__ = ["Outcome"]

_NAME = "outcome"
_POD_DELETED = "pod deleted"
_BROKEN = frozenset({"Failed", "Error"})
_NOT_RETRIED = {
    ("Error", "OnFailure"): "retryPolicy OnFailure, which is the default, retries Failed, "
    "never Error",
    ("Error", "OnTransientError"): "retryPolicy OnTransientError does not match the message",
    ("Error", "Never"): "the task has no retryStrategy",
    ("Failed", "OnError"): "retryPolicy OnError retries Error, never Failed",
    ("Failed", "OnTransientError"): "retryPolicy OnTransientError matches neither exit codes nor "
    "what a kubelet writes",
    ("Failed", "Never"): "the task has no retryStrategy",
}
_ENDED = {
    "Max duration limit exceeded": "retries-cut-off",
    "Backoff would exceed max duration limit": "retries-cut-off",
    "retryStrategy.expression evaluated to false": "excluded-by-expression",
    "No more retries left": "retries-exhausted",
}
"""What Argo says of a Retry vertex that it gives up; its policy alone leaves no message."""
_ADVICE = {
    "retries-cut-off": "leave backoff.maxDuration out: it counts from the start of the first "
    "attempt, the time that attempts run included",
    "excluded-by-expression": "exit 143 on SIGTERM, and let the expression exclude only what no "
    "retry can mend",
}
_MEND_FIRST = "the pipeline fails without any fault: mend that before its resilience is tested"
_COVER_BOTH = (
    "use retryPolicy: Always (or an expression over both Error and Failed), with a limit: a pod's "
    "death surfaces as either, which is a race"
)


class Outcome:
    """Compares the terminal phase with `expect.outcome`; a control must succeed."""

    name = _NAME

    def check(self, evidence: Evidence) -> Sequence[Verdict]:
        """Return one verdict for each execution."""
        return [_judge(evidence, execution) for execution in evidence.executions]


def _judge(evidence: Evidence, execution: Analysis) -> Verdict:
    timeline = execution.timeline
    expected = "Succeeded" if is_control(execution) else evidence.scenario.expect.outcome
    final = timeline.final_phase
    if final is None:
        return _censored(execution)
    cited = cite(execution, final.at, f"workflow {final.fact.phase}")
    if final.fact.phase == expected:
        doubt = timeline.doubt(ARGO)
        if doubt:
            return unknown(_NAME, _NAME, execution.name, "evidence-lost", doubt, cited)
        return Verdict(
            checker=_NAME,
            expectation=_NAME,
            execution=execution.name,
            status=Status.PASS,
            message=f"the workflow ended {final.fact.phase}, as expected",
            evidence=cited,
        )
    doubt = timeline.doubt(ARGO, KUBELET)
    foreign = infrastructure_doubt(execution)
    if foreign or doubt:
        return unknown(
            _NAME,
            _NAME,
            execution.name,
            "infrastructure-death" if foreign and not doubt else "evidence-lost",
            f"the workflow ended {final.fact.phase}, but {foreign or doubt}",
            cited,
        )
    return _failure(evidence, execution, expected, final.fact.phase, final.fact.message)


def _censored(execution: Analysis) -> Verdict:
    ended = execution.timeline.ended
    if ended is None:
        return unknown(
            _NAME, _NAME, execution.name, "not-ended", "the history ends before the workflow did"
        )
    waits = without_capacity(execution.timeline)
    if waits is not None:
        waited = passed(waits.at, ended.at).middle_s
        return unknown(
            _NAME,
            _NAME,
            execution.name,
            WAITING_FOR_CAPACITY,
            f"{waits.fact.display_name} had waited {waited:.1f}s for a node to take its pod when "
            f"watching ended ({ended.fact.reason}): {waits.fact.message} That is the environment, "
            "and says nothing about the pipeline",
            cite(execution, waits.at, f"{waits.fact.display_name} Pending: no capacity"),
        )
    return unknown(
        _NAME,
        _NAME,
        execution.name,
        ended.fact.reason,
        f"the workflow had not ended when watching did ({ended.fact.reason})"
        + (f": {ended.fact.detail}" if ended.fact.detail else ""),
        cite(execution, ended.at, f"ended: {ended.fact.reason}"),
    )


def _failure(
    evidence: Evidence, execution: Analysis, expected: str, phase: str, message: str
) -> Verdict:
    final = execution.timeline.final_phase
    refs = cite(execution, None if final is None else final.at, f"workflow {phase}")
    broken = _broken_vertex(execution)
    cause, words, advice = "unexpected-phase", message or "no message", None
    if broken is not None:
        cause, words, advice = _explain(broken.fact, evidence.policies, execution)
        refs = (
            *cite(
                execution,
                broken.at,
                f"{broken.fact.display_name} {broken.fact.phase}: {broken.fact.message}",
            ),
            *refs,
        )
    return Verdict(
        checker=_NAME,
        expectation=_NAME,
        execution=execution.name,
        status=Status.FAIL,
        cause=cause,
        message=f"the workflow ended {phase}, expected {expected}: {words}",
        evidence=refs,
        measures={"phase": phase},
        advice=advice,
    )


def _broken_vertex(execution: Analysis) -> Seen[TaskPhase] | None:
    """Return the first task whose last attempt ended badly: the others follow from it."""
    last: dict[str, Seen[TaskPhase]] = {}
    for seen in execution.timeline.tasks:
        if seen.fact.attempt is not None and not seen.fact.hooked:
            last[seen.fact.task] = seen
    broken = [seen for seen in last.values() if seen.fact.phase in _BROKEN]
    return min(broken, key=lambda seen: seen.number, default=None)


def _explain(
    phase: TaskPhase, policies: Mapping[str, str], execution: Analysis
) -> tuple[str, str, str | None]:
    """Return cause, words and advice for a task that ended badly."""
    what = f"{phase.task}: {phase.phase} {phase.message!r}"
    if is_control(execution):
        return "fails-undisturbed", what, _MEND_FIRST
    early = false_success(execution)
    if early is not None:
        return "false-success", f"{early}; then {what}", EXIT_ADVICE
    given_up = _given_up(execution, phase.task)
    if given_up in _ENDED:
        cause = _ENDED[given_up]
        words = f"{what}: attempt {phase.attempt} was the last: {given_up}"
        return cause, f"{words} (view {_view_of(phase)})", _ADVICE.get(cause)
    policy = policies.get(phase.task)
    reason = _NOT_RETRIED.get((phase.phase, policy or ""))
    if phase.phase == "Error" and phase.message == _POD_DELETED:
        if policy == "OnTransientError":
            reason = "retryPolicy OnTransientError matches no message of a deleted pod"
        if reason is None and policy is not None:
            return "retries-exhausted", f"{what}: attempt {phase.attempt} was the last", None
        cause = "pod-deleted-not-retried"
    elif reason is not None:
        cause = f"{phase.phase.lower()}-not-retried"
    else:
        attempts = len(execution.timeline.pods_of(phase.task))
        return "task-failed", f"{what}; pods: {attempts}", None
    because = f": {reason}" if reason is not None else ""
    return cause, f"{what} was not retried{because} (view {_view_of(phase)})", _COVER_BOTH


def _given_up(execution: Analysis, task: str) -> str:
    """Return what Argo said when it gave a task up; empty where it said nothing."""
    said = [
        seen.fact.message
        for seen in execution.timeline.tasks
        if seen.fact.task == task and seen.fact.attempt is None and seen.fact.phase in _BROKEN
    ]
    return said[-1] if said else ""


def _view_of(phase: TaskPhase) -> str:
    if phase.phase != "Error":
        return "seen"
    return "wait-failed" if phase.message.startswith("wait: ") else "gone"
