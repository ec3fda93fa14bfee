"""`resume`: whether training went on as if nothing had happened.

Exact is: the same final state as undisturbed executions, every step once with the
same batch on the surviving lineage, checkpoints that hold the step they name, no
restore older than the last commit, and a restore really used. The state is what
the audit read from the store; what the pipeline says only locates the cause.
"""

from __future__ import annotations

from collections.abc import Sequence

from chaosml.checkers.divergence import Divergence, find_divergence, loss_band
from chaosml.checkers.endings import EXIT_ADVICE, ended_early, false_success
from chaosml.checkers.evidence import Evidence, cite, unknown
from chaosml.checkers.labels import mislabelled
from chaosml.checkers.ledger import (
    Flaw,
    chain_flaws,
    contradiction,
    first_difference,
    ledger_flaws,
)
from chaosml.checkers.reference import CONTROLS_NEEDED, Reference
from chaosml.checkers.restores import restore_flaws, unobserved_restore
from chaosml.checkers.unclaimed import find_setback, restored_by, unknown_start
from chaosml.timeline.analysis import Analysis
from chaosml.verdict import EventRef, Status, Verdict

__all__ = ["Resume", "diverges"]

_NAME = "resume"
_RESTORE_ADVICE = (
    "look for the newest committed checkpoint at every start, whatever the attempt's number says: "
    "a pod can be restarted without a retry"
)
_EXPLAINED_BY_LABELS = frozenset({"claims-inconsistent", "lineage-unknown", "diverged-trajectory"})
"""Causes that a checkpoint under the name of another step brings about."""


class Resume:
    """Compares every trial with the controls, and every control with itself."""

    name = _NAME

    def check(self, evidence: Evidence) -> Sequence[Verdict]:
        """Return one verdict for each execution; none where the scenario turned it off."""
        if evidence.scenario.expect.resume == "off":
            return []
        reference = Reference(evidence.controls)
        verdicts = [_judge_control(control) for control in evidence.controls]
        verdicts += [_Trial(evidence, reference, trial).judge() for trial in evidence.trials]
        return [verdict for verdict in verdicts if verdict is not None]


def diverges(evidence: Evidence, trial: Analysis) -> bool:
    """Whether a trial reached another final state than the controls, so that more would tell."""
    if evidence.scenario.expect.resume == "off":
        return False
    reference = Reference(evidence.controls)
    if _Trial(evidence, reference, trial).judge_execution() is not None:
        return False
    return find_divergence(trial, reference) is not None


def _verdict(
    execution: Analysis,
    status: Status,
    cause: str | None,
    message: str,
    refs: tuple[EventRef, ...] = (),
    measures: dict[str, str | int | float | bool | None] | None = None,
    advice: str | None = None,
) -> Verdict:
    return Verdict(
        checker=_NAME,
        expectation=_NAME,
        execution=execution.name,
        status=status,
        cause=cause,
        message=message,
        evidence=refs,
        measures=measures or {},
        advice=advice,
    )


def _fail_flaw(execution: Analysis, flaw: Flaw) -> Verdict:
    return _verdict(
        execution,
        Status.FAIL,
        flaw.cause,
        f"the step ledger is not exact: {flaw.says}",
        cite(execution, flaw.at, flaw.says),
        {"step": flaw.step},
        "save step, sampler position and weights together, at a step boundary",
    )


def _judge_control(control: Analysis) -> Verdict | None:
    """Judge an undisturbed execution by its own ledger; None where it claims no steps."""
    timeline = control.timeline
    training = timeline.pods_of(timeline.training_task)
    doubt = timeline.doubt_of_logs(training)
    if doubt:
        return unknown(_NAME, _NAME, control.name, "evidence-lost", doubt)
    lineage = control.lineage
    if not lineage.parts:
        return None
    flaws = ledger_flaws(lineage.parts)
    if flaws:
        return _fail_flaw(control, flaws[0])
    if lineage.gap is not None:
        return unknown(_NAME, _NAME, control.name, "lineage-unknown", lineage.gap)
    final = timeline.final_phase
    if final is None or final.fact.phase != "Succeeded":
        words = "the workflow did not succeed, so nothing says what undisturbed is: see outcome"
        return unknown(_NAME, _NAME, control.name, "no-final-state", words)
    return _verdict(
        control, Status.PASS, None, f"undisturbed: steps 1 to {lineage.last_step}, each once"
    )


class _Trial:
    """The judgement of one trial."""

    def __init__(self, evidence: Evidence, reference: Reference, trial: Analysis) -> None:
        self.evidence = evidence
        self.reference = reference
        self.trial = trial
        self.timeline = trial.timeline
        self.mode = evidence.scenario.expect.resume

    def judge(self) -> Verdict:
        """Return the verdict; the first question that cannot be answered well decides."""
        found = self.judge_execution()
        if found is not None and found.cause in _EXPLAINED_BY_LABELS:
            return self._judge_labels(always=True) or found
        return found or self._judge_labels() or self._judge_state()

    def judge_execution(self) -> Verdict | None:
        """Return what the trial says by itself, without a control to compare it with."""
        return (
            self._judge_evidence()
            or self._judge_ledger()
            or self._judge_restores()
            or self._judge_end()
        )

    def _unknown(self, cause: str, message: str, refs: tuple[EventRef, ...] = ()) -> Verdict:
        return unknown(_NAME, _NAME, self.trial.name, cause, message, refs)

    def _judge_evidence(self) -> Verdict | None:
        """Say UNKNOWN where lines are missing, unless what is there convicts."""
        training = self.timeline.pods_of(self.timeline.training_task)
        doubt = self.timeline.doubt_of_store() or self.timeline.doubt_of_logs(training)
        if not doubt:
            return None
        flaws = chain_flaws(self.trial)
        if flaws:
            return _fail_flaw(self.trial, flaws[0])
        return self._unknown("evidence-lost", doubt)

    def _judge_ledger(self) -> Verdict | None:
        lineage = self.trial.lineage
        flaws = ledger_flaws(lineage.parts)
        counted = chain_flaws(self.trial)
        contradicting = contradiction(lineage.parts) if not flaws else None
        if flaws:
            return _fail_flaw(self.trial, flaws[0])
        if counted or contradicting is not None:
            at = counted[0].at if counted else contradicting
            return self._unknown(
                "claims-inconsistent",
                "a commit's hash chain does not fit the steps that the same log holds",
                cite(self.trial, at, "commit"),
            )
        if lineage.gap is not None and lineage.parts:
            return self._unknown("lineage-unknown", lineage.gap)
        return None

    def _judge_restores(self) -> Verdict | None:
        flaws = restore_flaws(self.trial)
        if flaws:
            flaw = flaws[0]
            return _verdict(
                self.trial,
                Status.FAIL if flaw.sure else Status.UNKNOWN,
                flaw.cause if flaw.sure else "order-unknown",
                f"pod {flaw.pod.uid} started from step {flaw.restored} although the checkpoint of "
                f"step {flaw.commit.step} was committed",
                (
                    *cite(
                        self.trial,
                        flaw.commit.at,
                        f"{flaw.commit.key} committed: step {flaw.commit.step}",
                    ),
                    *cite(self.trial, flaw.at, f"restored step {flaw.restored}"),
                ),
                {"restored_step": flaw.restored, "committed_step": flaw.commit.step},
                _RESTORE_ADVICE,
            )
        unseen = unobserved_restore(self.trial)
        if unseen is not None:
            pod, segment = unseen
            return self._unknown(
                "restore-not-observed",
                f"pod {pod.uid} says that it restored step {segment.restore_step}, and no read of "
                "a checkpoint by it was seen",
                cite(self.trial, segment.restored, "restore"),
            )
        return None

    def _judge_end(self) -> Verdict | None:
        """Judge a training that did not reach the end, or that cannot be followed there."""
        early = ended_early(self.trial)
        if early is not None:
            part = self.trial.lineage.parts[-1]
            return _verdict(
                self.trial,
                Status.FAIL,
                "training-ended-early",
                false_success(self.trial) or "training ended early",
                (
                    *cite(self.trial, part.segment.ended, f"last words at step {part.stop}"),
                    *cite(self.trial, part.pod.exited.at if part.pod.exited else None, "exit"),
                    *cite(self.trial, early, "the task counts as Succeeded"),
                ),
                {"step": part.stop, "final_step": self.trial.final_step},
                EXIT_ADVICE,
            )
        final = self.timeline.final_phase
        if final is None or final.fact.phase != "Succeeded":
            phase = "did not end" if final is None else f"ended {final.fact.phase}"
            return self._unknown("no-final-state", f"the workflow {phase}: see outcome")
        if not self.trial.lineage.parts:
            return self._judge_unclaimed()
        wanted, reached = self.trial.final_step, self.trial.lineage.last_step
        if wanted is not None and reached < wanted:
            return self._unknown("evidence-lost", f"no step after {reached} of {wanted} is known")
        return None

    def _judge_unclaimed(self) -> Verdict | None:
        """Judge a training that claims no steps by what it read and saved; None: by its state."""
        if self.mode == "ledger" or any(one.lineage.parts for one in self.reference.controls):
            return self._unknown(
                "no-ledger", "the pipeline claims no steps, so none can be checked"
            )
        setback = find_setback(self.trial)
        if setback is None:
            why = unknown_start(self.trial)
            return self._unknown("restore-not-observed", why) if why else None
        there, saved = setback.there, setback.saved
        status, cause = Status.FAIL, setback.cause
        if not setback.sure:
            status, cause = Status.UNKNOWN, "order-unknown"
        named = "" if there.step is None else f", step {there.step},"
        return _verdict(
            self.trial,
            status,
            cause,
            f"{setback.words} {there.key}{named} was committed before it started",
            (
                *cite(self.trial, there.at, f"{there.key} committed"),
                *cite(self.trial, saved.at, f"{saved.key} saved first"),
            ),
            {"saved_step": saved.step, "committed_step": there.step},
            _RESTORE_ADVICE,
        )

    def _judge_labels(self, *, always: bool = False) -> Verdict | None:
        part = self.reference.part
        if part is None or self.reference.doubt:
            return None
        found = mislabelled(self.trial, self.reference.controls[0], part, always=always)
        if not found:
            return None
        first = found[0]
        return _verdict(
            self.trial,
            Status.FAIL,
            "mislabelled-checkpoint",
            f"{first.version.key} names step {first.named} and holds the state of step "
            f"{first.holds}",
            (
                *cite(self.trial, first.version.observed.at, first.version.key),
                *cite(self.reference.controls[0], first.claimed, f"state of step {first.holds}"),
            ),
            {"step": first.named, "holds_step": first.holds},
            "count the step and update the state together, and save at a step boundary, never "
            "inside the signal handler",
        )

    def _judge_state(self) -> Verdict:
        reference = self.reference
        if not reference.controls:
            return self._unknown("no-control", "no control ran: there is nothing to compare with")
        if reference.doubt:
            return self._unknown("evidence-lost", f"of a control: {reference.doubt}")
        if self.mode == "ledger":
            return self._judge_batches()
        if not reference.agrees:
            return self._judge_band()
        if not reference.state:
            return self._unknown("no-state", "no final checkpoint or model of a control was read")
        divergence = find_divergence(self.trial, reference)
        if divergence is None:
            return self._pass_exact()
        diverged = self._diverged(divergence)
        if diverged.status is Status.FAIL and divergence.cause in _EXPLAINED_BY_LABELS:
            return self._judge_labels(always=True) or diverged
        return diverged

    def _diverged(self, divergence: Divergence) -> Verdict:
        refs: tuple[EventRef, ...] = ()
        measures: dict[str, str | int | float | bool | None] = {
            "different": ", ".join(divergence.where)
        }
        if divergence.first is not None:
            step = divergence.first.step
            measures["first_divergent_step"] = step
            refs = (
                *cite(self.trial, divergence.first.ours, f"step {step}"),
                *cite(self.reference.controls[0], divergence.first.theirs, f"step {step}"),
            )
        differing = self.reference.differing_fingerprint(self.trial)
        status, words = Status.FAIL, divergence.words
        if not self.reference.suffices:
            status = Status.UNKNOWN
            words += (
                f"; {self.reference.count} controls agree, {CONTROLS_NEEDED} are needed to call it "
                "a defect"
            )
        elif differing:
            status = Status.UNKNOWN
            words += f"; but the executions' fingerprints differ in {', '.join(differing)}"
        return _verdict(
            self.trial, status, divergence.cause, words, refs, measures, divergence.advice
        )

    def _judge_band(self) -> Verdict:
        """Judge a pipeline whose controls disagree: by the spread of their final losses."""
        if self.mode == "exact":
            return self._unknown(
                "controls-disagree",
                "the controls reached different states, so exactness cannot be judged: make the "
                "training deterministic, or expect resume: auto",
            )
        band = loss_band(self.trial, self.reference)
        if band is None:
            return self._unknown(
                "no-band", "the controls reached different states and claim no losses to compare"
            )
        measures: dict[str, str | int | float | bool | None] = {
            "final_loss": band.loss,
            "band_low": band.low,
            "band_high": band.high,
        }
        if not band.holds:
            return _verdict(self.trial, Status.UNKNOWN, "outside-band", band.words, (), measures)
        words = f"the ledger is exact and the result within the controls' band: {band.words}"
        return _verdict(self.trial, Status.PASS, None, words, (), measures)

    def _judge_batches(self) -> Verdict:
        part = self.reference.part
        if part is None or ledger_flaws((part,)):
            return self._unknown("no-control", "no control has a whole ledger to compare with")
        first = first_difference(self.trial.lineage.parts, part)
        if first is None or first.what != "batch":
            words = f"steps 1 to {part.stop}, each once with the same batch, on one lineage"
            return _verdict(self.trial, Status.PASS, None, words)
        convicts = self.reference.suffices and self.reference.agrees_on_batches
        return _verdict(
            self.trial,
            Status.FAIL if convicts else Status.UNKNOWN,
            "diverged-trajectory",
            f"step {first.step} took another batch than in the {self.reference.count} controls",
            cite(self.trial, first.ours, f"step {first.step}"),
            {"first_divergent_step": first.step},
        )

    def _pass_exact(self) -> Verdict:
        names = ", ".join(self.reference.state)
        restores, how = self._restores()
        refs = tuple(
            ref
            for version in self.trial.final_objects("checkpoint")[:2]
            for ref in cite(self.trial, version.observed.at, f"final {version.key}")
        )
        return _verdict(
            self.trial,
            Status.PASS,
            None,
            f"exact: {names} equal to {self.reference.count} controls'; {how}",
            refs,
            {"restores": restores},
        )

    def _restores(self) -> tuple[int, str]:
        """Return how often a checkpoint was restored, and what is known of the steps."""
        lineage = self.trial.lineage
        if not lineage.parts:
            training = self.timeline.pods_of(self.timeline.training_task)
            read = [pod for pod in training if restored_by(self.trial, pod)]
            how = f"{len(read)} attempts read a checkpoint" if read else "no restore"
            return len(read), f"{how}; no steps are claimed, so only the end is compared"
        restored = [part.start for part in lineage.parts if part.start]
        how = f"restored at step {', '.join(map(str, restored))}" if restored else "no restore"
        return (
            len(restored),
            f"steps 1 to {lineage.last_step} each once with the same batches; {how}",
        )
