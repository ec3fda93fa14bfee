"""The evaluation step: measures the model that the run has committed, and no other."""

from __future__ import annotations

import argparse
from typing import Any

from chaosml import probe
from chaosml.reference import layout, network, promotion
from chaosml.reference.bucket import Bucket
from chaosml.reference.program import PermanentError, conclude, identify, parser
from chaosml.reference.promotion import Arrays, Artifact

__all__ = ["main", "measure", "recall_model"]


def recall_model(bucket: Bucket, run_id: str) -> Artifact:
    """Return the model of a run.

    Raises:
        PermanentError: the run has no completion marker, or the model is damaged.
    """
    marker = layout.model(run_id).manifest
    model = promotion.recall(bucket, marker)
    if model is None:
        raise PermanentError(f"the training of run {run_id} is not complete: {marker} is missing")
    return model


def measure(model: Arrays, data: Arrays) -> float:
    """Return the share of test images that the model gets right."""
    parameters = {name.partition("/")[2]: array for name, array in model.items()}
    guessed = network.predict(parameters, data["test/images"])
    return float((guessed == data["test/labels"]).mean())


def _evaluate(arguments: argparse.Namespace) -> None:
    identity = identify(arguments, dataset_sha256=arguments.dataset_sha256)
    bucket = Bucket(arguments.bucket)
    model = recall_model(bucket, identity.run_id)
    place = layout.dataset(identity.dataset_sha256)
    data = promotion.recall(bucket, place.manifest)
    if data is None:
        raise PermanentError(f"dataset {identity.dataset_sha256} was not prepared")
    found: dict[str, Any] = {
        "accuracy": measure(model.arrays, data.arrays),
        "step": model.manifest["step"],
        "model_digest": model.digest,
        "labels": identity.fields(),
    }
    key = layout.metrics(identity.run_id)
    if not bucket.write_document_once(key, {**found, "created": promotion.now()}):
        _check_standing(bucket, key, found)
    print(f"accuracy {found['accuracy']:.4f} at step {found['step']}")
    probe.publish(key, step=found["step"])
    probe.done()


def _check_standing(bucket: Bucket, key: str, found: dict[str, Any]) -> None:
    standing = bucket.read_document(key) or {}
    if any(standing.get(name) != found[name] for name in ("accuracy", "step", "model_digest")):
        raise PermanentError(f"{key} holds other results than this attempt found")


def main() -> None:
    """Run the step."""
    told = parser(__doc__)
    told.add_argument("--dataset-sha256", required=True, help="of the raw data")
    arguments = told.parse_args()

    def work() -> None:
        probe.ready()
        _evaluate(arguments)

    conclude(work)


if __name__ == "__main__":
    main()
