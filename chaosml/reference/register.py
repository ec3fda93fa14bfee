"""The registration step: one entry for a model of a run, however often the step is tried."""

from __future__ import annotations

import argparse

from chaosml import probe
from chaosml.reference import layout, promotion
from chaosml.reference.bucket import Bucket
from chaosml.reference.evaluate import recall_model
from chaosml.reference.program import PermanentError, conclude, identify, parser
from chaosml.reference.promotion import Artifact

__all__ = ["main"]


def _register(arguments: argparse.Namespace) -> None:
    identity = identify(arguments, dataset_sha256=arguments.dataset_sha256)
    bucket = Bucket(arguments.bucket)
    model = recall_model(bucket, identity.run_id)
    if model.manifest["step"] != arguments.steps:
        raise PermanentError(
            f"{model.key} is the model of step {model.manifest['step']}, not of the final step "
            f"{arguments.steps}: a half-trained model is not registered"
        )
    # The key is the idempotency key: run and model name the entry, not a counter.
    key = layout.entry(identity.run_id, model)
    bucket.write_document_once(
        key,
        {
            **identity.fields(),
            "name": layout.NAME,
            "version": f"{identity.run_id}-{model.digest[:12]}",
            "source": model.key,
            "digest": model.digest,
            "sha256": model.manifest["sha256"],
            "step": model.manifest["step"],
            "accuracy": _read_accuracy(bucket, identity.run_id, model),
            "created": promotion.now(),
        },
    )
    print(f"registered as {key}")
    probe.register(layout.NAME, entry=key, digest=model.digest)
    probe.done()


def _read_accuracy(bucket: Bucket, run_id: str, model: Artifact) -> float:
    key = layout.metrics(run_id)
    found = bucket.read_document(key) or {}
    if found.get("model_digest") != model.digest:
        raise PermanentError(f"{key} says nothing about {model.key}: it was not evaluated")
    return float(found["accuracy"])


def main() -> None:
    """Run the step."""
    told = parser(__doc__)
    told.add_argument("--dataset-sha256", required=True, help="of the raw data")
    told.add_argument("--steps", type=int, required=True, help="the final step of the training")
    arguments = told.parse_args()

    def work() -> None:
        probe.ready()
        _register(arguments)

    conclude(work)


if __name__ == "__main__":
    main()
