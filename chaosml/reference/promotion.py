"""Atomic promotion: the data under an immutable key first, then the manifest that commits it.

    1. PUT  …/state-3f9c2a71d0e4.npz   If-None-Match: *    invisible: nobody knows the key
    2. PUT  …/manifest.json            If-None-Match: *    the commit: one small object

A kill between the two leaves an object that nobody will ever read. A second
attempt that arrives at the same state finds its own bytes and goes on; one that
arrives at another state is refused, since what is committed stays.
"""

from __future__ import annotations

import datetime
import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy
from numpy.typing import NDArray

from chaosml import probe
from chaosml.reference.bucket import Bucket
from chaosml.reference.program import DamagedError, PermanentError

__all__ = ["Arrays", "Artifact", "now", "pack", "promote", "recall", "unpack"]

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Artifact:
    """A committed artifact: its manifest and its arrays."""

    manifest: dict[str, Any]
    arrays: dict[str, NDArray[Any]]

    @property
    def digest(self) -> str:
        """Canonical digest of the arrays."""
        return str(self.manifest["digest"])

    @property
    def key(self) -> str:
        """Key of the object that holds the arrays."""
        return str(self.manifest["key"])


def now() -> str:
    """Return the time for people who read a document; nothing is decided by it."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def pack(arrays: Arrays) -> bytes:
    """Return the arrays as npz; equal arrays give equal bytes."""
    file = io.BytesIO()
    numpy.savez(file, **{name: arrays[name] for name in sorted(arrays)})  # type: ignore[arg-type]  # the stub takes the mapping for its flag allow_pickle
    return file.getvalue()


def unpack(data: bytes) -> dict[str, NDArray[Any]]:
    """Return the arrays of an npz; nothing is unpickled.

    Raises:
        DamagedError: the bytes are no npz, or a torn one.
    """
    try:
        with numpy.load(io.BytesIO(data), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise DamagedError(f"{len(data)} bytes that are no npz: {error}") from error


def promote(
    bucket: Bucket, *, key: str, marker: str, arrays: Arrays, fields: Mapping[str, Any]
) -> Artifact:
    """Store the arrays and commit them by their manifest; return what is committed.

    Args:
        bucket: Where.
        key: Key of the data; `{digest}` becomes the beginning of the canonical digest.
        marker: Key of the manifest.
        arrays: The arrays, named `component/name`.
        fields: What else the manifest shall say.

    Raises:
        PermanentError: something else is committed under this manifest already.
    """
    digest = probe.digest(arrays)
    key = key.replace("{digest}", digest[:12])
    data = _store(bucket, key, pack(arrays), digest)
    manifest = {
        **fields,
        "key": key,
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "digest": digest,
        "digests": _digest_components(arrays),
        "created": now(),
    }
    if not bucket.write_document_once(marker, manifest):
        manifest = bucket.read_document(marker) or {}
        if manifest.get("digest") != digest:
            raise PermanentError(
                f"{marker} commits the state {manifest.get('digest')}, and this attempt arrived "
                f"at {digest}: one of the two is wrong, and what is committed stays"
            )
    return Artifact(manifest, dict(arrays))


def recall(bucket: Bucket, marker: str) -> Artifact | None:
    """Return the committed artifact, verified to the last byte; None where none is committed.

    Raises:
        DamagedError: the object is missing or not what the manifest says.
    """
    try:
        manifest = bucket.read_document(marker)
    except ValueError as error:
        raise DamagedError(f"{marker} is no JSON document: {error}") from error
    if manifest is None:
        return None
    lacking = {"key", "size", "sha256", "digest"} - manifest.keys()
    if lacking:
        raise DamagedError(f"{marker} does not say {', '.join(sorted(lacking))}")
    return Artifact(manifest, _verify(bucket.read(manifest["key"]), manifest))


def _store(bucket: Bucket, key: str, data: bytes, digest: str) -> bytes:
    """Write the object, or verify the one that an earlier attempt wrote; return its bytes."""
    if bucket.write_once(key, data):
        return data
    # Other versions of the libraries may pack the same arrays into other bytes.
    standing = bucket.read(key) or b""
    if standing != data and probe.digest(unpack(standing)) != digest:
        raise DamagedError(f"{key} holds something else than its name says")
    return standing


def _verify(data: bytes | None, manifest: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    key = manifest["key"]
    if data is None:
        raise DamagedError(f"{key} is committed and not there")
    if (len(data), hashlib.sha256(data).hexdigest()) != (manifest["size"], manifest["sha256"]):
        raise DamagedError(f"{key} is not what its manifest says: size or SHA-256 differ")
    arrays = unpack(data)
    if probe.digest(arrays) != manifest["digest"]:
        raise DamagedError(f"{key} is not what its manifest says: the digest differs")
    return arrays


def _digest_components(arrays: Arrays) -> dict[str, str]:
    components = sorted({name.partition("/")[0] for name in arrays})
    return {
        component: probe.digest(
            {name: array for name, array in arrays.items() if name.startswith(f"{component}/")}
        )
        for component in components
    }
