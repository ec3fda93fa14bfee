"""A bucket of the embedded store as the audit of a state reads it: past S3, in one request.

Listing and reading through S3 took longer than a third of the states. What is read is the
same: versions in the store's own order, and bytes that are digested here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import IO

import msgspec

from chaosml.audit.bucket import Body, Pending, Version
from chaosml.services.bucket_state import BucketLoader

__all__ = ["HeldBucket"]


class HeldBucket:
    """What a bucket holds at the moment at which this is made."""

    def __init__(self, loader: BucketLoader, name: str) -> None:
        """Ask for it.

        Raises:
            ServiceError: the store does not answer, or has no such bucket.
        """
        self.name = name
        self._loader = loader
        self._holdings = loader.holdings(name)

    def is_versioned(self) -> bool:
        """Return whether every version is kept."""
        return self._holdings.versioned

    def versions(self) -> Sequence[Version]:
        """Return every version and delete marker, by key, the oldest of a key first."""
        return [Version(**msgspec.structs.asdict(one)) for one in self._holdings.versions]

    def pending(self) -> Sequence[Pending]:
        """Return the multipart uploads that nobody ended."""
        return [Pending(one.key, one.upload) for one in self._holdings.uploads]

    def read(self, version: Version, file: IO[bytes]) -> Body:
        """Copy a version to `file` and rewind that.

        Raises:
            ServiceError: the store does not answer, or has no such version.
        """
        content = self._loader.body(self.name, version.key, version.version)
        file.write(content)
        file.seek(0)
        return Body(len(content), hashlib.sha256(content).hexdigest())
