"""Where everything lies in the bucket; the scenarios' artifact patterns describe the same.

datasets/<sha256 of the raw file>/{digits-<digest>.npz, manifest.json}
runs/<run id>/checkpoints/step-000120/{state-<digest>.npz, manifest.json}
runs/<run id>/models/digits/{model-<digest>.npz, manifest.json}
runs/<run id>/metrics/evaluation.json
registry/digits/<run id>-<digest>.json
notifications/<workflow>.json
"""

from __future__ import annotations

from chaosml.reference.promotion import Artifact

__all__ = ["NAME", "Place", "checkpoint", "checkpoints", "dataset", "entry", "metrics", "model"]

NAME = "digits"


class Place:
    """The keys of one artifact: of its data (`{digest}` to be filled in) and of its manifest."""

    def __init__(self, folder: str, stem: str) -> None:
        self.data = f"{folder}/{stem}-{{digest}}.npz"
        self.manifest = f"{folder}/manifest.json"


def dataset(sha256: str) -> Place:
    """Return the place of the prepared dataset; the same for all runs."""
    return Place(f"datasets/{sha256}", NAME)


def checkpoints(run_id: str) -> str:
    """Return the prefix of a run's checkpoints."""
    return f"runs/{run_id}/checkpoints/"


def checkpoint(run_id: str, step: int) -> Place:
    """Return the place of the checkpoint after `step`."""
    return Place(f"{checkpoints(run_id)}step-{step:06d}", "state")


def model(run_id: str) -> Place:
    """Return the place of a run's model; its manifest is the run's completion marker."""
    return Place(f"runs/{run_id}/models/{NAME}", "model")


def metrics(run_id: str) -> str:
    """Return the key of a run's metrics."""
    return f"runs/{run_id}/metrics/evaluation.json"


def entry(run_id: str, registered: Artifact) -> str:
    """Return the key of the registry entry: the same for the same model of the same run."""
    return f"registry/{NAME}/{run_id}-{registered.digest[:12]}.json"
