"""`effect`: whether every fault took effect as planned; without that a trial proves nothing."""

from __future__ import annotations

from collections.abc import Sequence

from chaosml.checkers.evidence import Evidence, unknown
from chaosml.plan.model import PlannedTrial
from chaosml.verdict import Coverage, Receipt, Status, Verdict

__all__ = ["Effect", "coverage_of"]

_NAME = "effect"


class Effect:
    """PASS or UNKNOWN for each trial: an invalid one vetoes a PASS of the run and nothing else."""

    name = _NAME

    def check(self, evidence: Evidence) -> Sequence[Verdict]:
        """Return one verdict for each planned trial and each control not known to start empty."""
        verdicts = []
        for control in evidence.controls:
            isolation = control.timeline.isolation
            if isolation is None or isolation.fact.objects:
                verdicts.append(
                    unknown(
                        _NAME,
                        _NAME,
                        control.name,
                        "isolation-unknown" if isolation is None else "not-empty",
                        "the control is not known to have started with an empty bucket",
                    )
                )
        seen = {trial.name for trial in evidence.trials}
        for planned in evidence.plan.trials:
            name = f"trial/{planned.trial}"
            if name in seen:
                verdicts.append(_judge(name, evidence.receipts.get(name, ())))
            else:
                verdicts.append(
                    unknown(_NAME, _NAME, name, "not-run", "the trial was planned and did not run")
                )
        return verdicts


def _judge(name: str, receipts: Sequence[Receipt]) -> Verdict:
    invalid = [receipt for receipt in receipts if receipt.why_invalid is not None]
    if not receipts:
        return unknown(_NAME, _NAME, name, "no-injection", "the trial injected nothing")
    if invalid:
        first = invalid[0]
        return unknown(
            _NAME,
            _NAME,
            name,
            first.why_invalid or "invalid",
            f"INVALID: {first.injection} ({first.inject}) at {first.planned_place} has no receipt: "
            f"{first.detail}",
            first.evidence,
        )
    words = ", ".join(
        f"{receipt.inject} at {receipt.actual_place or 'an unknown place'}"
        + (f", seen as {receipt.observed_view}" if receipt.observed_view else "")
        for receipt in receipts
    )
    return Verdict(
        checker=_NAME,
        expectation=_NAME,
        execution=name,
        status=Status.PASS,
        message=f"took effect as planned: {words}",
        evidence=tuple(ref for receipt in receipts for ref in receipt.evidence),
    )


def coverage_of(evidence: Evidence) -> Coverage:
    """Return which cases valid trials showed, and why the others are missing."""
    exercised: dict[str, int] = {}
    reasons: dict[str, list[str]] = {}
    places: set[str] = set()
    ran = {trial.name: trial for trial in evidence.trials}
    for planned in evidence.plan.trials:
        name = f"trial/{planned.trial}"
        receipts = evidence.receipts.get(name, ())
        if name not in ran:
            reasons.setdefault(planned.case.name, []).append(f"{name} did not run")
            continue
        if not evidence.is_valid(ran[name]):
            why = next((one.why_invalid for one in receipts if one.why_invalid), "no receipt")
            reasons.setdefault(planned.case.name, []).append(f"{name} was invalid: {why}")
            continue
        observed = _observed_case(planned, receipts)
        exercised[observed] = exercised.get(observed, 0) + 1
        places |= {receipt.actual_place for receipt in receipts if receipt.actual_place}
        if observed != planned.case.name:
            reasons.setdefault(planned.case.name, []).append(f"{name} showed {observed} instead")
    cases = tuple(case.name for case in evidence.plan.cases)
    undealt = {case.name for case in evidence.plan.undealt}
    missing = {
        case: "too few trials: none was dealt to it"
        if case in undealt
        else "; ".join(reasons.get(case, ["no trial was planned for it"]))
        for case in cases
        if case not in exercised
    }
    return Coverage(
        cases=cases,
        exercised=dict(sorted(exercised.items())),
        missing=missing,
        places=tuple(sorted(places)),
    )


def _observed_case(planned: PlannedTrial, receipts: Sequence[Receipt]) -> str:
    """Return the case that the trial turned out to be: its fault under the view that was seen."""
    if planned.case.view is None:
        return planned.case.name
    first = planned.injections[0].injection if planned.injections else None
    for receipt in receipts:
        if receipt.injection == first and receipt.observed_view is not None:
            return f"{planned.case.fault}/{receipt.observed_view}"
    return planned.case.name
