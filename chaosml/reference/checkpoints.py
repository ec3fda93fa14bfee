"""Checkpoints in the bucket: committed by manifests, never overwritten, verified on restore."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from chaosml import probe
from chaosml.reference import layout, promotion
from chaosml.reference.bucket import Bucket
from chaosml.reference.identity import Identity
from chaosml.reference.program import DamagedError, PermanentError
from chaosml.reference.promotion import Artifact

__all__ = ["Checkpoints"]


class Checkpoints:
    """The checkpoints of one run."""

    def __init__(self, bucket: Bucket, identity: Identity) -> None:
        self._bucket = bucket
        self._identity = identity
        self._parent: Artifact | None = None
        self.saved_step = 0
        """Step of the last checkpoint that this attempt restored or saved."""

    def restore(self) -> Artifact | None:
        """Return the newest checkpoint that is what its manifest says; None where there is none.

        Raises:
            PermanentError: it was trained on other data.
        """
        manifests = sorted(
            (
                key
                for key in self._bucket.keys(layout.checkpoints(self._identity.run_id))
                if key.endswith("/manifest.json")
            ),
            reverse=True,
        )
        for manifest in manifests:
            try:
                found = promotion.recall(self._bucket, manifest)
            except DamagedError as error:
                print(f"checkpoint passed over: {error}", file=sys.stderr)
                continue
            if found is not None:
                self._remember(found)
                return found
        return None

    def save(self, step: int, state: Mapping[str, NDArray[Any]]) -> None:
        """Commit the state after `step`."""
        place = layout.checkpoint(self._identity.run_id, step)
        probe.checkpoint_begin(step)
        parent = None if self._parent is None else self._parent.digest
        saved = promotion.promote(
            self._bucket,
            key=place.data,
            marker=place.manifest,
            arrays=state,
            fields={**self._identity.fields(), "step": step, "parent": parent},
        )
        self._remember(saved)
        probe.checkpoint(step, key=saved.key, digest=saved.digest)

    def _remember(self, checkpoint: Artifact) -> None:
        trained_on = checkpoint.manifest.get("dataset_sha256")
        if trained_on != self._identity.dataset_sha256:
            raise PermanentError(
                f"{checkpoint.key} was trained on dataset {trained_on}, this run is about "
                f"{self._identity.dataset_sha256}: give it another run id"
            )
        self._parent = checkpoint
        self.saved_step = int(checkpoint.manifest["step"])
