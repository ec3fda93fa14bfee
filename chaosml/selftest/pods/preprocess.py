"""The preprocessing step, which also shares its split and guesses from half of it that all is done.

`splits/train.npz` and `splits/test.npz` belong together, for whoever compares models on the
same split. The step looks only for the first of them before it writes both.
"""

from __future__ import annotations

import argparse

from chaosml.reference import dataset, preprocess, promotion
from chaosml.reference.bucket import Bucket

__all__ = ["main"]

_PARTS = ("train", "test")


def _share(bucket: Bucket) -> None:
    if bucket.read(f"splits/{_PARTS[0]}.npz") is not None:
        print("the split is shared already")
        return
    raw, _ = dataset.read_raw(dataset.SOURCE)
    arrays = dataset.prepare(dataset.validate(raw))
    for part in _PARTS:
        mine = {name: array for name, array in arrays.items() if name.startswith(f"{part}/")}
        bucket.write_once(f"splits/{part}.npz", promotion.pack(mine))


def main() -> None:
    """Run the step."""
    told = argparse.ArgumentParser(add_help=False)
    told.add_argument("--bucket", required=True)
    chosen, _ = told.parse_known_args()
    _share(Bucket(chosen.bucket))
    preprocess.main()


if __name__ == "__main__":
    main()
