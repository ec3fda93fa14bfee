"""The registration step with one defect: `--defect counted` or `--defect anonymous`.

`counted`: entries are numbered by counting, so that another attempt makes another entry.
`anonymous`: entries do not say which run made the model.
"""

from __future__ import annotations

import argparse
from typing import Any

from chaosml import probe
from chaosml.reference import layout
from chaosml.reference.bucket import Bucket
from chaosml.reference.evaluate import recall_model
from chaosml.reference.program import conclude, identify, parser

__all__ = ["main"]


def _register(arguments: argparse.Namespace) -> None:
    identity = identify(arguments, dataset_sha256=arguments.dataset_sha256)
    bucket = Bucket(arguments.bucket)
    model = recall_model(bucket, identity.run_id)
    entry: dict[str, Any] = {
        **identity.fields(),
        "name": layout.NAME,
        "source": model.key,
        "digest": model.digest,
        "step": model.manifest["step"],
    }
    key = layout.entry(identity.run_id, model)
    if arguments.defect == "counted":
        number = len(list(bucket.keys(f"registry/{layout.NAME}/"))) + 1
        key = f"registry/{layout.NAME}/v{number}.json"
    else:
        del entry["run_id"]
    bucket.write_document_once(key, entry)
    probe.register(layout.NAME, entry=key, digest=model.digest)
    probe.done()


def main() -> None:
    """Run the step."""
    told = parser(__doc__)
    told.add_argument("--defect", required=True, choices=["anonymous", "counted"])
    told.add_argument("--dataset-sha256", required=True, help="of the raw data")
    told.add_argument("--steps", type=int, required=True, help="the final step of the training")
    arguments = told.parse_args()

    def work() -> None:
        probe.ready()
        _register(arguments)

    conclude(work)


if __name__ == "__main__":
    main()
