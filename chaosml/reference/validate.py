"""The validation step: checks the raw data and names the dataset by its SHA-256."""

from __future__ import annotations

import argparse
import pathlib

from chaosml import probe
from chaosml.reference import dataset
from chaosml.reference.program import conclude, write_output

__all__ = ["main"]


def main() -> None:
    """Run the step."""
    told = argparse.ArgumentParser(description=__doc__)
    told.add_argument("--source", type=pathlib.Path, default=dataset.SOURCE, help="the raw file")
    told.add_argument("--sha256-output", required=True, metavar="FILE")
    arguments = told.parse_args()

    def work() -> None:
        probe.ready()
        raw, sha256 = dataset.read_raw(arguments.source)
        rows = dataset.validate(raw)
        write_output(arguments.sha256_output, sha256)
        print(f"{len(rows)} rows are valid: dataset {sha256}")
        probe.done()

    conclude(work)


if __name__ == "__main__":
    main()
