"""The training step with one defect: `python -m chaosml.selftest.pods.train --defect NAME …`."""

from __future__ import annotations

import argparse
import sys

from chaosml.reference import train
from chaosml.selftest.pods import saves, states

__all__ = ["main"]

_TRAININGS: dict[str, type[train.Training]] = {
    "in-parts": saves.InParts,
    "marker-alone": saves.MarkerAlone,
    "marker-first": saves.MarkerFirst,
    "off-by-one": states.OffByOne,
    "own-dataset": saves.OwnDataset,
    "prefetching": states.Prefetching,
    "registers-first": saves.RegistersFirst,
    "repeats-step": states.RepeatsStep,
    "saves-in-handler": states.SavesInHandler,
    "slow-to-save": saves.SlowToSave,
    "stale-latest": states.StaleLatest,
    "takes-twice": states.TakesTwice,
    "trusts-object": saves.TrustsObject,
    "unflushed": saves.Unflushed,
    "warms-up": states.WarmsUp,
}


def main() -> None:
    """Run the step; everything but the defect is what the reference step is told."""
    told = argparse.ArgumentParser(add_help=False)
    told.add_argument("--defect", required=True, choices=sorted(_TRAININGS))
    chosen, sys.argv[1:] = told.parse_known_args()
    train.main(_TRAININGS[chosen.defect])


if __name__ == "__main__":
    main()
