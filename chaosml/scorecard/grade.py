"""The grade of a run: gates first, then a score.

1. An expectation earns the share of its trials in which it held; one that failed anywhere
   earns 0. What is undecided earns nothing: unevaluated is never passed.
2. The score is the mean over all expectations. A from 95 %, B from 85 %, C from 70 %,
   D from 50 %, else F.
3. Gates cap the letter, however good the rest is: a corruption, a workflow that succeeded
   with another state (silent divergence) and broken lineage at D; a gate that no valid trial
   decided at C, and so do any broken expectation and an interrupted run; cases that were not
   shown at B, where it is more than half of them at C.
"""

from __future__ import annotations

from chaosml.scorecard.model import Grade
from chaosml.verdict import Judgement, Status, Verdict

__all__ = ["LETTERS", "grade"]

LETTERS = ("A", "B", "C", "D", "F")
"""Best first."""
_FROM = {"A": 0.95, "B": 0.85, "C": 0.70, "D": 0.50}
_GATES = {
    "corruption": "an artifact was corrupt",
    "resume": "a workflow succeeded with another state than the undisturbed one",
    "lineage": "an artifact cannot be traced",
}
_IMPLIED = "effect"
"""Decides about the validity of trials, not about the pipeline."""


def grade(judgement: Judgement) -> Grade:
    """Return the grade of a run; without a letter where it proves nothing at all."""
    valid = _valid_trials(judgement)
    by_name: dict[str, list[Verdict]] = {}
    for verdict in judgement.verdicts:
        if verdict.expectation != _IMPLIED:
            by_name.setdefault(verdict.expectation, []).append(verdict)
    earned = {name: _earned(verdicts, valid) for name, verdicts in by_name.items()}
    broken = any(verdict.status is Status.FAIL for verdict in judgement.verdicts)
    if not earned or not (valid or broken):
        return Grade(letter=None, score=None, earned=earned, caps=("no valid trial was judged",))
    score = sum(earned.values()) / len(earned)
    letter = next((one for one, least in _FROM.items() if score >= least - 1e-9), "F")
    caps = [*_gates(judgement, by_name, valid), *_gaps(judgement)]
    biting = [(cap, why) for cap, why in caps if _rank(cap) > _rank(letter)]
    letter = max([letter, *(cap for cap, _ in biting)], key=_rank)
    return Grade(
        letter=letter,
        score=score,
        earned=earned,
        caps=tuple(f"at most {cap}: {why}" for cap, why in biting),
    )


def _rank(letter: str) -> int:
    return LETTERS.index(letter)


def _valid_trials(judgement: Judgement) -> frozenset[str]:
    return frozenset(
        one.execution
        for one in judgement.executions
        if one.execution.startswith("trial/") and one.valid
    )


def _earned(verdicts: list[Verdict], valid: frozenset[str]) -> float:
    if any(verdict.status is Status.FAIL for verdict in verdicts):
        return 0.0
    whole = [verdict for verdict in verdicts if verdict.execution is None]
    if any(verdict.status is not Status.PASS for verdict in whole):
        return 0.0
    trials = [one for one in verdicts if one.execution and one.execution.startswith("trial/")]
    if not trials:
        return 1.0 if whole else 0.0
    held = [one for one in trials if one.status is Status.PASS and one.execution in valid]
    return len(held) / len(trials)


def _gates(
    judgement: Judgement, by_name: dict[str, list[Verdict]], valid: frozenset[str]
) -> list[tuple[str, str]]:
    succeeded = {one.execution for one in judgement.executions if one.phase == "Succeeded"}
    caps = []
    for name, words in _GATES.items():
        verdicts = by_name.get(name, [])
        failed = [one for one in verdicts if one.status is Status.FAIL]
        if name == "resume":
            failed = [one for one in failed if one.execution is None or one.execution in succeeded]
        if failed:
            caps.append(("D", words))
        elif not any(one.status is Status.PASS and one.execution in valid for one in verdicts):
            caps.append(("C", f"no valid trial decided {name}"))
    return caps


def _gaps(judgement: Judgement) -> list[tuple[str, str]]:
    caps = []
    broken = {one.expectation for one in judgement.verdicts if one.status is Status.FAIL}
    if others := sorted(broken.difference(_GATES)):
        caps.append(("C", f"broken: {', '.join(others)}"))
    if judgement.interrupted:
        caps.append(("C", "the run was interrupted"))
    cases = judgement.coverage.cases
    missing = [case for case in cases if not judgement.coverage.exercised.get(case)]
    if missing:
        cap = "C" if len(missing) * 2 > len(cases) else "B"
        caps.append((cap, f"{len(missing)} of {len(cases)} cases were not shown"))
    return caps
