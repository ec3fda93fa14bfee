"""The pipeline that teams write first: one script, every step a subcommand.

It trains the same model on the same data and succeeds whenever nothing happens. Each
habit in it is a common one, and each breaks something when a machine is taken back:

- canonical keys, overwritten in place, in several parts: mixed checkpoints;
- checkpoints of the weights alone: a resumed training takes another trajectory;
- saving inside the signal handler, then `os._exit(0)`: a half-trained model passes for
  a finished one;
- a retry loop in the container: it dies with the container;
- one run id for all runs, a registry numbered by counting: the same model twice.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from types import FrameType
from typing import Any

import numpy
from botocore.exceptions import BotoCoreError, ClientError
from numpy.typing import NDArray

from chaosml import probe
from chaosml.reference import dataset, evaluate
from chaosml.reference.bucket import client
from chaosml.reference.pace import Pace
from chaosml.reference.trainer import Trainer

__all__ = ["Store", "Training", "main"]

_DATA = "data/digits.npz"
_WEIGHTS = "checkpoints/weights.npz"
_META = "checkpoints/meta.json"
_MODEL = "models/digits/model.npz"
_METRICS = "metrics/latest.json"
_REGISTRY = "registry/digits/"

_TRIES = 5


class Store:
    """The bucket; whoever writes last wins."""

    def __init__(self, bucket: str) -> None:
        self._bucket = bucket
        self._client = client(retries={"max_attempts": 5, "mode": "standard"})

    def write(self, key: str, data: bytes) -> None:
        """Write an object over whatever is there."""
        self._client.put_object(Bucket=self._bucket, Key=key, Body=data)

    def write_arrays(self, key: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write arrays over whatever is there."""
        file = io.BytesIO()
        numpy.savez(file, **arrays)  # type: ignore[arg-type]  # the stub takes the mapping for its flag allow_pickle
        self.write(key, file.getvalue())

    def read(self, key: str) -> bytes:
        """Return an object."""
        data: bytes = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        return data

    def read_arrays(self, key: str) -> dict[str, NDArray[Any]]:
        """Return the arrays of an object."""
        with numpy.load(io.BytesIO(self.read(key))) as file:
            return {name: file[name] for name in file.files}

    def keys(self, prefix: str) -> list[str]:
        """Return the keys below a prefix."""
        answer = self._client.list_objects_v2(Bucket=self._bucket, Prefix=prefix)
        return [found["Key"] for found in answer.get("Contents", [])]


class Training:
    """The training; its checkpoint is two objects that are only right together."""

    def __init__(self, store: Store, arguments: argparse.Namespace) -> None:
        self._store = store
        self._arguments = arguments
        data = store.read_arrays(_DATA)
        self._trainer = Trainer(
            data["train/images"], data["train/labels"], batch_size=arguments.batch_size, seed=7
        )

    def run(self) -> None:
        """Train from the checkpoint, if there is one, to the end."""
        signal.signal(signal.SIGTERM, self._on_sigterm)
        self._load()
        pace = Pace(self._arguments.pace_ms / 1000)
        while self._trainer.step < self._arguments.steps:
            pace.wait()
            outcome = self._trainer.advance()
            digest = probe.digest(self._weights())
            probe.step(outcome.step, batch=outcome.batch, loss=outcome.loss, state=digest)
            if outcome.step % self._arguments.checkpoint_every == 0:
                self._save()
        self._publish()
        probe.done(self._trainer.step)

    def _on_sigterm(self, number: int, frame: FrameType | None) -> None:
        print("SIGTERM: saving", flush=True)
        self._save()
        self._publish()
        os._exit(0)

    def _load(self) -> None:
        if _META not in self._store.keys("checkpoints/"):
            probe.restore(0)
            return
        weights = self._store.read_arrays(_WEIGHTS)
        step = json.loads(self._store.read(_META))["step"]
        self._trainer.load(weights, step=step)
        probe.restore(step, key=_WEIGHTS, digest=probe.digest(weights))

    def _save(self) -> None:
        step, weights = self._trainer.step, self._weights()
        probe.checkpoint_begin(step, key=_WEIGHTS)
        self._store.write_arrays(_WEIGHTS, weights)
        self._store.write(_META, json.dumps({"step": step, "run_id": _run_id()}).encode())
        probe.checkpoint(step, key=_WEIGHTS, digest=probe.digest(weights))

    def _publish(self) -> None:
        step = numpy.array(self._trainer.step, dtype=numpy.int64)
        model = {**self._weights(), "meta/step": step}
        self._store.write_arrays(_MODEL, model)
        probe.publish(_MODEL, digest=probe.digest(model), step=self._trainer.step)

    def _weights(self) -> dict[str, NDArray[Any]]:
        return self._trainer.state(frozenset({"optimizer", "scheduler", "rng", "sampler"}))


def _run_id() -> str:
    return os.environ.get("RUN_ID", "digits-baseline")


def _validate(arguments: argparse.Namespace) -> None:
    raw, _ = dataset.read_raw(dataset.SOURCE)
    print(f"{len(dataset.validate(raw))} rows")
    probe.done()


def _preprocess(arguments: argparse.Namespace) -> None:
    raw, _ = dataset.read_raw(dataset.SOURCE)
    Store(arguments.bucket).write_arrays(_DATA, dataset.prepare(dataset.validate(raw)))
    probe.publish(_DATA)
    probe.done()


def _train(arguments: argparse.Namespace) -> None:
    for left in reversed(range(_TRIES)):
        try:
            Training(Store(arguments.bucket), arguments).run()
            return
        except (BotoCoreError, ClientError) as error:
            print(f"training failed: {error}; tries left: {left}", file=sys.stderr)
            if left == 0:
                sys.exit(1)
            time.sleep(1)


def _evaluate(arguments: argparse.Namespace) -> None:
    store = Store(arguments.bucket)
    accuracy = evaluate.measure(store.read_arrays(_MODEL), store.read_arrays(_DATA))
    store.write(_METRICS, json.dumps({"accuracy": accuracy}).encode())
    probe.publish(_METRICS)
    print(f"accuracy {accuracy:.4f}")
    probe.done()


def _register(arguments: argparse.Namespace) -> None:
    store = Store(arguments.bucket)
    version = len(store.keys(_REGISTRY)) + 1
    entry = f"{_REGISTRY}v{version}.json"
    document = {
        "name": "digits",
        "version": version,
        "source": _MODEL,
        "run_id": _run_id(),
        "accuracy": json.loads(store.read(_METRICS))["accuracy"],
    }
    store.write(entry, json.dumps(document).encode())
    probe.register("digits", entry=entry)
    probe.done()


def main() -> None:
    """Run one step."""
    told = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    steps = told.add_subparsers(required=True)
    for name, work in (
        ("validate", _validate),
        ("preprocess", _preprocess),
        ("train", _train),
        ("evaluate", _evaluate),
        ("register", _register),
    ):
        step = steps.add_parser(name)
        step.set_defaults(work=work)
        step.add_argument("--bucket", required=True)
        if name == "train":
            step.add_argument("--steps", type=int, required=True)
            step.add_argument("--checkpoint-every", type=int, default=20)
            step.add_argument("--batch-size", type=int, default=32)
            step.add_argument("--pace-ms", type=float, default=0.0)
    arguments = told.parse_args()
    probe.ready()
    arguments.work(arguments)


if __name__ == "__main__":
    main()
