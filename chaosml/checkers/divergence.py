"""Where and why a trial's training left the controls' trajectory; and by how much it may."""

from __future__ import annotations

from dataclasses import dataclass

from chaosml.checkers.ledger import Difference, first_difference, ledger_flaws, part_row
from chaosml.checkers.mixtures import find_mixtures
from chaosml.checkers.reference import Reference, state_of
from chaosml.timeline.analysis import Analysis
from chaosml.timeline.lineage import Part

__all__ = ["Band", "Divergence", "find_divergence", "loss_band"]

_BAND_STEPS = 10
_SHIFT_ADVICE = (
    "save the position of the batches that the training has used, no earlier and no later: a "
    "loader that prefetches is ahead of it"
)


@dataclass(frozen=True, slots=True)
class Divergence:
    """How a trial's final state differs from the controls'."""

    cause: str
    where: tuple[str, ...]
    """The components of the final state that differ."""
    first: Difference | None
    words: str
    advice: str | None


def find_divergence(trial: Analysis, reference: Reference) -> Divergence | None:
    """Return how the final state differs from the one that the controls agree on.

    Where controls disagree, the first one stands for them: then too more controls tell.
    """
    if not reference.state:
        return None
    ours, theirs = state_of(trial), reference.state
    where = tuple(name for name in sorted({*ours, *theirs}) if ours.get(name) != theirs.get(name))
    first = None
    part = reference.part
    if part is not None and not ledger_flaws((part, *trial.lineage.parts)):
        first = first_difference(trial.lineage.parts, part)
    if not where and (first is None or first.what != "batch"):
        return None
    return _explain(trial, reference, where, first)


def _explain(
    trial: Analysis, reference: Reference, where: tuple[str, ...], first: Difference | None
) -> Divergence:
    read = [mixture for mixture in find_mixtures(trial) if mixture.reader is not None]
    at = f" from step {first.step} on ({first.what})" if first is not None else ""
    words = f"the trajectory diverged{at}; different in the end: {', '.join(where) or 'nothing'}"
    if read:
        keys = " and ".join(read[0].keys)
        return Divergence(
            "mixed-checkpoint",
            where,
            first,
            f"{words}; pod {read[0].reader} restored {keys} of different saves",
            "write each checkpoint under a new key and commit it with a marker written last",
        )
    missing = reference.missing_components()
    if not missing:
        cause, why = _shift(trial, reference, first) or ("diverged-trajectory", "")
        advice = _SHIFT_ADVICE if why else None
        return Divergence(cause, where, first, words + why, advice)
    words += f"; checkpoints hold no {', '.join(missing)}"
    advice = f"save and restore {', '.join(missing)} with the checkpoint"
    # Another batch can only come from the sampler, another loss on the same batch never does.
    fits = (missing[0] == "sampler") == (first is not None and first.what == "batch")
    cause = f"{missing[0]}-not-restored" if len(missing) == 1 and fits else "diverged-trajectory"
    return Divergence(cause, where, first, words, advice)


def _shift(
    trial: Analysis, reference: Reference, first: Difference | None
) -> tuple[str, str] | None:
    """Return cause and words where a restore put the batches one ahead or one back."""
    control = reference.part
    if control is None or first is None or first.what != "batch":
        return None
    for part in trial.lineage.parts:
        if part.start + 1 != first.step or first.step > part.stop:
            continue
        taken = part.claims.ledger.batch_bytes(part_row(part, first.step))
        if part.start and taken == _batch_of(control, first.step - 1):
            words = f"; step {first.step} took the batch of step {first.step - 1} again"
            return "batch-applied-twice", words
        if first.step < control.stop and taken == _batch_of(control, first.step + 1):
            return "batch-left-out", f"; step {first.step} left out a batch"
    return None


def _batch_of(control: Part, step: int) -> bytes:
    return control.claims.ledger.batch_bytes(part_row(control, step))


@dataclass(frozen=True, slots=True)
class Band:
    """Final losses of a trial and of controls that differ from one another."""

    loss: float
    low: float
    high: float
    words: str

    @property
    def holds(self) -> bool:
        """Whether the trial lies within the controls' spread, once more to either side."""
        return self.low <= self.loss <= self.high


def loss_band(trial: Analysis, reference: Reference) -> Band | None:
    """Return the band that the controls' final losses span; None where losses are unknown."""
    ours = _final_loss(trial)
    theirs = [_final_loss(control) for control in reference.controls]
    known = [loss for loss in theirs if loss is not None]
    if ours is None or len(known) < 2 or len(known) < len(theirs):
        return None
    spread = max(known) - min(known)
    words = f"final loss {ours:.6g}, controls {min(known):.6g} to {max(known):.6g}"
    return Band(ours, min(known) - spread, max(known) + spread, words)


def _final_loss(analysis: Analysis) -> float | None:
    """Return the mean loss of the last steps of the lineage, whichever process did them."""
    last = analysis.lineage.last_step
    losses = []
    for step in range(max(1, last - _BAND_STEPS + 1), last + 1):
        for part in analysis.lineage.parts:
            if part.start < step <= part.stop:
                losses.append(part.claims.ledger.loss(part_row(part, step)))
    known = [loss for loss in losses if loss is not None]
    return sum(known) / len(known) if known and len(known) == len(losses) else None
