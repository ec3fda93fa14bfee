"""Trainings that store their artifacts in a way that a death, or the way itself, breaks."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import pathlib
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from chaosml import probe
from chaosml.reference import dataset, layout, promotion
from chaosml.reference.bucket import Bucket
from chaosml.reference.checkpoints import Checkpoints
from chaosml.reference.identity import Identity
from chaosml.reference.interruption import Interruption
from chaosml.reference.promotion import Artifact
from chaosml.reference.train import Settings, Training, model_of
from chaosml.reference.trainer import Trainer

__all__ = [
    "InParts",
    "MarkerAlone",
    "MarkerFirst",
    "OwnDataset",
    "RegistersFirst",
    "SlowToSave",
    "TrustsObject",
    "Unflushed",
]

_Manifest = dict[str, Any]
_Commit = Callable[[Bucket, str, _Manifest, bytes], None]

_WRITE_BYTES = 1000
_DROPPED_ROWS = 300
_SAVE_S = 2.0


class MarkerFirst(Training):
    """Writes the manifest of a checkpoint, then the object that it commits."""

    def __init__(
        self, bucket: Bucket, identity: Identity, settings: Settings, interruption: Interruption
    ) -> None:
        super().__init__(bucket, identity, settings, interruption)
        self._checkpoints = _Committed(bucket, identity, _marker_first)


class MarkerAlone(Training):
    """The same, and takes a checkpoint whose manifest is there for saved."""

    def __init__(
        self, bucket: Bucket, identity: Identity, settings: Settings, interruption: Interruption
    ) -> None:
        super().__init__(bucket, identity, settings, interruption)
        self._checkpoints = _Committed(bucket, identity, _marker_alone)


class Unflushed(Training):
    """Uploads a file whose last bytes are still in the buffer of the one who writes it."""

    def __init__(
        self, bucket: Bucket, identity: Identity, settings: Settings, interruption: Interruption
    ) -> None:
        super().__init__(bucket, identity, settings, interruption)
        self._checkpoints = _Committed(bucket, identity, _unflushed)


class _Committed(Checkpoints):
    """Checkpoints that are committed in another way than `promotion.promote` does it."""

    def __init__(self, bucket: Bucket, identity: Identity, commit: _Commit) -> None:
        super().__init__(bucket, identity)
        self._commit = commit

    def save(self, step: int, state: Mapping[str, NDArray[Any]]) -> None:
        place = layout.checkpoint(self._identity.run_id, step)
        probe.checkpoint_begin(step)
        digest, data = probe.digest(state), promotion.pack(state)
        key = place.data.replace("{digest}", digest[:12])
        manifest = {
            **self._identity.fields(),
            "step": step,
            "key": key,
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "digest": digest,
            "created": promotion.now(),
        }
        self._commit(self._bucket, place.manifest, manifest, data)
        self._remember(Artifact(manifest, dict(state)))
        probe.checkpoint(step, key=key, digest=digest)


def _marker_first(bucket: Bucket, marker: str, manifest: _Manifest, data: bytes) -> None:
    bucket.write_document_once(marker, manifest)
    bucket.write_once(manifest["key"], data)


def _marker_alone(bucket: Bucket, marker: str, manifest: _Manifest, data: bytes) -> None:
    if bucket.write_document_once(marker, manifest):
        bucket.write_once(manifest["key"], data)


def _unflushed(bucket: Bucket, marker: str, manifest: _Manifest, data: bytes) -> None:
    with tempfile.NamedTemporaryFile("wb") as file:
        for start in range(0, len(data), _WRITE_BYTES):
            file.write(data[start : start + _WRITE_BYTES])
        bucket.write_once(manifest["key"], pathlib.Path(file.name).read_bytes())
    bucket.write_document_once(marker, manifest)


class TrustsObject(Training):
    """Takes a model object for a finished training, whether or not a manifest commits it."""

    def run(self) -> None:
        """Do what is left to do."""
        prefix = layout.model(self._identity.run_id).manifest.rpartition("/")[0]
        found = [key for key in self._bucket.keys(f"{prefix}/") if key.endswith(".npz")]
        if found:
            print(f"already trained by an earlier attempt: {found[0]}")
            probe.done(self._settings.steps)
        else:
            super().run()


class RegistersFirst(Training):
    """Writes the registry entry of a model, then the model."""

    def _publish(self, trainer: Trainer, place: layout.Place) -> Artifact:
        digest = probe.digest(model_of(trainer))
        source = place.data.replace("{digest}", digest[:12])
        entry = {
            **self._identity.fields(),
            "name": layout.NAME,
            "version": f"{self._identity.run_id}-{digest[:12]}",
            "source": source,
            "digest": digest,
            "step": trainer.step,
        }
        registered = Artifact({"digest": digest, "key": source}, {})
        key = layout.entry(self._identity.run_id, registered)
        self._bucket.write_document_once(key, entry)
        probe.register(layout.NAME, entry=key, digest=digest)
        return super()._publish(trainer, place)


class OwnDataset(Training):
    """Trains on an older export that its image holds, instead of the validated dataset."""

    def __init__(
        self, bucket: Bucket, identity: Identity, settings: Settings, interruption: Interruption
    ) -> None:
        raw, _ = dataset.read_raw(dataset.SOURCE)
        lines = gzip.decompress(raw).splitlines(keepends=True)
        older = gzip.compress(b"".join(lines[:-_DROPPED_ROWS]), mtime=0)
        sha256 = hashlib.sha256(older).hexdigest()
        own = dataclasses.replace(identity, dataset_sha256=sha256)
        place = layout.dataset(sha256)
        promotion.promote(
            bucket,
            key=place.data,
            marker=place.manifest,
            arrays=dataset.prepare(dataset.validate(older)),
            fields=own.fields(),
        )
        super().__init__(bucket, own, settings, interruption)


class SlowToSave(Training):
    """Takes longer for a save than its pod is given to end."""

    def _save(self, trainer: Trainer) -> None:
        if self._checkpoints.saved_step < trainer.step:
            time.sleep(_SAVE_S)
        super()._save(trainer)


class InParts(Training):
    """Uploads checkpoints in parts, and starts anew without looking for unfinished uploads."""

    def __init__(
        self, bucket: Bucket, identity: Identity, settings: Settings, interruption: Interruption
    ) -> None:
        super().__init__(_InParts(bucket.name), identity, settings, interruption)


class _InParts(Bucket):
    def write_once(self, key: str, data: bytes) -> bool:
        if "/checkpoints/" not in key or not key.endswith(".npz"):
            return super().write_once(key, data)
        where = {"Bucket": self.name, "Key": key}
        begun = self._client.create_multipart_upload(**where)
        where["UploadId"] = begun["UploadId"]
        sent = self._client.upload_part(**where, PartNumber=1, Body=data)
        parts = [{"PartNumber": 1, "ETag": sent["ETag"]}]
        self._client.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
        return True
