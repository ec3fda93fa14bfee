"""The preprocessing step: normalises and splits the validated data, once for every dataset."""

from __future__ import annotations

import argparse
import pathlib

from chaosml import probe
from chaosml.reference import dataset, layout, promotion
from chaosml.reference.bucket import Bucket
from chaosml.reference.interruption import finish_regardless
from chaosml.reference.program import PermanentError, conclude, identify, parser, write_output
from chaosml.reference.promotion import Artifact

__all__ = ["main"]


def _prepare(arguments: argparse.Namespace) -> Artifact:
    place = layout.dataset(arguments.dataset_sha256)
    bucket = Bucket(arguments.bucket)
    done = promotion.recall(bucket, place.manifest)
    if done is not None:
        print(f"already prepared: {done.key}")
        return done
    raw, sha256 = dataset.read_raw(arguments.source)
    if sha256 != arguments.dataset_sha256:
        raise PermanentError(
            f"{arguments.source} has SHA-256 {sha256}, what was validated had "
            f"{arguments.dataset_sha256}"
        )
    arrays = dataset.prepare(dataset.validate(raw))
    probe.point("normalised")
    identity = identify(arguments, dataset_sha256=sha256)
    return promotion.promote(
        bucket, key=place.data, marker=place.manifest, arrays=arrays, fields=identity.fields()
    )


def main() -> None:
    """Run the step."""
    told = parser(__doc__)
    told.add_argument("--source", type=pathlib.Path, default=dataset.SOURCE, help="the raw file")
    told.add_argument("--dataset-sha256", required=True, help="of the raw file")
    told.add_argument("--key-output", required=True, metavar="FILE")
    arguments = told.parse_args()
    finish_regardless()

    def work() -> None:
        probe.ready()
        prepared = _prepare(arguments)
        write_output(arguments.key_output, prepared.key)
        probe.publish(prepared.key, digest=prepared.digest)
        probe.done()

    conclude(work)


if __name__ == "__main__":
    main()
