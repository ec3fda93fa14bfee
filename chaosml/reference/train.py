"""The training step: resumes exactly, saves when it is asked to end, publishes once.

Every save is a data object under an immutable key and then its manifest. SIGTERM
and interruption notices are served at the step boundary: save, then exit 143. An
exit code of 0 would tell the orchestrator that the model is trained.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from typing import Any

import numpy
from numpy.typing import NDArray

from chaosml import probe
from chaosml.reference import layout, notice, promotion
from chaosml.reference.bucket import Bucket
from chaosml.reference.carelessness import CARELESS
from chaosml.reference.checkpoints import Checkpoints
from chaosml.reference.identity import Identity
from chaosml.reference.impatience import HotBucket, impatient
from chaosml.reference.interruption import Interruption
from chaosml.reference.multipart import MultipartBucket
from chaosml.reference.pace import Pace
from chaosml.reference.program import (
    TERMINATED,
    EndedError,
    PermanentError,
    conclude,
    identify,
    parser,
)
from chaosml.reference.promotion import Artifact
from chaosml.reference.trainer import COMPONENTS, Trainer

__all__ = ["Settings", "Training", "main", "model_of"]

_BACKOFF_FACTOR = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to train."""

    steps: int
    checkpoint_every: int
    batch_size: int
    seed: int
    pace_s: float
    """Minimum duration of a step."""
    may_restore: bool
    omit: frozenset[str]
    exit_on_signal: int
    sticky_backoff_s: float | None
    """A save that takes longer makes every later step slower, for good."""


class Training:
    """One attempt of the training of one run."""

    def __init__(
        self, bucket: Bucket, identity: Identity, settings: Settings, interruption: Interruption
    ) -> None:
        self._bucket = bucket
        self._identity = identity
        self._settings = settings
        self._interruption = interruption
        self._checkpoints = Checkpoints(bucket, identity)
        self._pace = Pace(settings.pace_s)

    def run(self) -> None:
        """Do what is left to do.

        Raises:
            EndedError: the attempt was asked to end; its state is saved.
        """
        place = layout.model(self._identity.run_id)
        done = promotion.recall(self._bucket, place.manifest)
        if done is not None and done.manifest["step"] == self._settings.steps:
            print(f"already trained by an earlier attempt: {done.key}")
        else:
            done = self._publish(self._train(), place)
        probe.publish(done.key, digest=done.digest, step=self._settings.steps)
        probe.done(self._settings.steps)

    def _train(self) -> Trainer:
        trainer = self._resume()
        self._end_if_asked(trainer)
        while trainer.step < self._settings.steps:
            self._advance(trainer)
            if trainer.step % self._settings.checkpoint_every == 0:
                self._save(trainer)
            # What is complete is published, even by an attempt that was asked to end.
            if trainer.step < self._settings.steps:
                self._end_if_asked(trainer)
        self._save(trainer)
        return trainer

    def _resume(self) -> Trainer:
        data = promotion.recall(
            self._bucket, layout.dataset(self._identity.dataset_sha256).manifest
        )
        if data is None:
            raise PermanentError(f"dataset {self._identity.dataset_sha256} was not prepared")
        trainer = Trainer(
            data.arrays["train/images"],
            data.arrays["train/labels"],
            batch_size=self._settings.batch_size,
            seed=self._settings.seed,
        )
        found = self._checkpoints.restore() if self._settings.may_restore else None
        if found is None:
            probe.restore(0)
        else:
            trainer.load(found.arrays, step=int(found.manifest["step"]))
            probe.restore(trainer.step, key=found.key, digest=found.digest)
        return trainer

    def _advance(self, trainer: Trainer) -> None:
        self._pace.wait()
        outcome = trainer.advance()
        state = probe.digest(trainer.state(self._settings.omit))
        probe.step(outcome.step, batch=outcome.batch, loss=outcome.loss, state=state)

    def _save(self, trainer: Trainer) -> None:
        if self._checkpoints.saved_step >= trainer.step:
            return
        begun = time.monotonic()
        self._checkpoints.save(trainer.step, trainer.state(self._settings.omit))
        limit_s = self._settings.sticky_backoff_s
        if limit_s is not None and time.monotonic() - begun > limit_s:
            self._pace = Pace(self._settings.pace_s * _BACKOFF_FACTOR)

    def _end_if_asked(self, trainer: Trainer) -> None:
        if self._interruption.reason is not None:
            self._save(trainer)
            raise EndedError(
                f"{self._interruption.reason}, after step {trainer.step}",
                self._settings.exit_on_signal,
            )

    def _publish(self, trainer: Trainer, place: layout.Place) -> Artifact:
        return promotion.promote(
            self._bucket,
            key=place.data,
            marker=place.manifest,
            arrays=model_of(trainer),
            fields={**self._identity.fields(), "step": trainer.step},
        )


def model_of(trainer: Trainer) -> dict[str, NDArray[Any]]:
    """Return what is published of a training: its parameters and their step."""
    model = {name: array for name, array in trainer.state().items() if name.startswith("model/")}
    return {**model, "meta/step": numpy.array(trainer.step, dtype=numpy.int64)}


def _parse() -> argparse.Namespace:
    told = parser(__doc__)
    told.add_argument("--dataset-sha256", required=True, help="of the raw data")
    told.add_argument("--steps", type=int, required=True)
    told.add_argument("--checkpoint-every", type=int, default=20, metavar="STEPS")
    told.add_argument("--batch-size", type=int, default=32)
    told.add_argument("--seed", type=int, default=7)
    told.add_argument("--pace-ms", type=float, default=0.0, help="minimum duration of a step")
    told.add_argument(
        "--notice-poll-ms", type=float, default=5000.0, help="0: no metadata service is asked"
    )
    told.add_argument(
        "--upload", choices=("whole", "parts"), default="whole", help="how data is uploaded"
    )
    defects = told.add_argument_group("defects, to show what they do")
    defects.add_argument(
        "--retry", type=int, help="restore only if above 0: a recreated pod starts from zero"
    )
    defects.add_argument(
        "--omit", action="append", default=[], choices=COMPONENTS, help="not in checkpoints"
    )
    defects.add_argument(
        "--exit-on-signal", type=int, default=TERMINATED, help="0 claims that the work is done"
    )
    defects.add_argument(
        "--sticky-backoff-ms", type=float, help="a slower save makes all later steps slow"
    )
    defects.add_argument("--client-timeout-ms", type=float, help="dies of a slower answer")
    defects.add_argument("--hot-retry-ms", type=float, help="asks again at once after so long")
    defects.add_argument("--careless", choices=sorted(CARELESS), help="with what the store answers")
    return told.parse_args()


def _settings(arguments: argparse.Namespace) -> Settings:
    return Settings(
        steps=arguments.steps,
        checkpoint_every=arguments.checkpoint_every,
        batch_size=arguments.batch_size,
        seed=arguments.seed,
        pace_s=arguments.pace_ms / 1000,
        may_restore=arguments.retry is None or arguments.retry > 0,
        omit=frozenset(arguments.omit),
        exit_on_signal=arguments.exit_on_signal,
        sticky_backoff_s=_seconds(arguments.sticky_backoff_ms),
    )


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _bucket(arguments: argparse.Namespace) -> Bucket:
    if arguments.hot_retry_ms is not None:
        return HotBucket(arguments.bucket, arguments.hot_retry_ms / 1000)
    if arguments.client_timeout_ms is not None:
        return impatient(arguments.bucket, arguments.client_timeout_ms / 1000)
    if arguments.careless is not None:
        return CARELESS[arguments.careless](arguments.bucket)
    if arguments.upload == "parts":
        return MultipartBucket(arguments.bucket)
    return Bucket(arguments.bucket)


def main(training: type[Training] = Training) -> None:
    """Run the step; with another training, such as one with a planted defect, in its place."""
    arguments = _parse()
    interruption = Interruption()
    interruption.listen()

    def work() -> None:
        probe.ready()
        notice.watch(interruption, poll_s=arguments.notice_poll_ms / 1000)
        identity = identify(arguments, dataset_sha256=arguments.dataset_sha256)
        training(_bucket(arguments), identity, _settings(arguments), interruption).run()

    conclude(work)


if __name__ == "__main__":
    main()
