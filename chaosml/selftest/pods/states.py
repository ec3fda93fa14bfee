"""Trainings that save or restore another state than they say."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Any

from numpy.typing import NDArray

from chaosml.reference import layout, promotion
from chaosml.reference.bucket import Bucket
from chaosml.reference.checkpoints import Checkpoints
from chaosml.reference.identity import Identity
from chaosml.reference.interruption import Interruption
from chaosml.reference.program import TERMINATED
from chaosml.reference.promotion import Artifact
from chaosml.reference.train import Settings, Training
from chaosml.reference.trainer import Trainer

__all__ = [
    "OffByOne",
    "Prefetching",
    "RepeatsStep",
    "SavesInHandler",
    "StaleLatest",
    "TakesTwice",
    "WarmsUp",
]

_WARM_UP_STEPS = 40_000
"""Several times the work of the whole pipeline, on a machine of any speed."""


class TakesTwice(Training):
    """Saves the sampler as it was before the last batch: a resume draws that batch again."""

    def __init__(
        self, bucket: Bucket, identity: Identity, settings: Settings, interruption: Interruption
    ) -> None:
        super().__init__(bucket, identity, settings, interruption)
        self._before: dict[str, NDArray[Any]] = {}

    def _advance(self, trainer: Trainer) -> None:
        self._before = _sampler_of(trainer)
        super()._advance(trainer)

    def _save(self, trainer: Trainer) -> None:
        if self._checkpoints.saved_step < trainer.step:
            self._checkpoints.save(trainer.step, {**trainer.state(), **self._before})


class Prefetching(Training):
    """Saves the position of a loader that is one batch ahead: a resume leaves that batch out."""

    def _save(self, trainer: Trainer) -> None:
        if self._checkpoints.saved_step < trainer.step:
            state = trainer.state()
            state["sampler/position"] = state["sampler/position"] + self._settings.batch_size
            self._checkpoints.save(trainer.step, state)


class OffByOne(Training):
    """Names every checkpoint by the step that comes next, and resumes as if it was done."""

    def _save(self, trainer: Trainer) -> None:
        if self._checkpoints.saved_step < trainer.step:
            self._checkpoints.save(trainer.step + 1, trainer.state())


class RepeatsStep(Training):
    """Begins again with the step that it has restored."""

    def _resume(self) -> Trainer:
        trainer = super()._resume()
        if trainer.step:
            trainer.step -= 1
        return trainer


class SavesInHandler(Training):
    """Saves inside the signal handler, between the update and the counting of the step."""

    def run(self) -> None:
        """Do what is left to do."""
        signal.signal(signal.SIGTERM, self._on_sigterm)
        super().run()

    def _resume(self) -> Trainer:
        self._trainer = super()._resume()
        self._counted = self._trainer.step
        return self._trainer

    def _advance(self, trainer: Trainer) -> None:
        super()._advance(trainer)
        self._counted = trainer.step

    def _on_sigterm(self, number: int, frame: FrameType | None) -> None:
        self._checkpoints.save(self._counted, self._trainer.state())
        sys.exit(TERMINATED)


class WarmsUp(Training):
    """Trains for a while before it goes on where another attempt left off, and forgets that."""

    def _resume(self) -> Trainer:
        trainer = super()._resume()
        if self._identity.attempt != "0":
            state, step = trainer.state(), trainer.step
            for _ in range(_WARM_UP_STEPS):
                trainer.advance()
            trainer.load(state, step=step)
        return trainer


class StaleLatest(Training):
    """Restores what `latest.json` names, which is written on condition that it is not there."""

    def __init__(
        self, bucket: Bucket, identity: Identity, settings: Settings, interruption: Interruption
    ) -> None:
        super().__init__(bucket, identity, settings, interruption)
        self._checkpoints = _Latest(bucket, identity)


class _Latest(Checkpoints):
    def __init__(self, bucket: Bucket, identity: Identity) -> None:
        super().__init__(bucket, identity)
        self._latest = f"runs/{identity.run_id}/latest.json"

    def restore(self) -> Artifact | None:
        latest = self._bucket.read_document(self._latest)
        found = None if latest is None else promotion.recall(self._bucket, latest["manifest"])
        if found is not None:
            self._remember(found)
        return found

    def save(self, step: int, state: promotion.Arrays) -> None:
        super().save(step, state)
        manifest = layout.checkpoint(self._identity.run_id, step).manifest
        self._bucket.write_document_once(self._latest, {"manifest": manifest})


def _sampler_of(trainer: Trainer) -> dict[str, NDArray[Any]]:
    return {name: array for name, array in trainer.state().items() if name.startswith("sampler/")}
