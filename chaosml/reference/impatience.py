"""Two ways to lose patience with a store, to show what they do when it is slow."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError

from chaosml.reference.bucket import Bucket, client

__all__ = ["HotBucket", "impatient"]

_Answer = TypeVar("_Answer")
_REFUSED = frozenset({429, 503})


def impatient(name: str, timeout_s: float) -> Bucket:
    """Return a bucket whose client gives up after `timeout_s`: a slow store counts as none."""
    return Bucket(name, client(connect_timeout=timeout_s, read_timeout=timeout_s))


class HotBucket(Bucket):
    """Gives up as early, and tries again at once, also where it was told to slow down.

    The more the store has to do, the more it is asked.
    """

    def __init__(self, name: str, timeout_s: float) -> None:
        super().__init__(name, client(connect_timeout=timeout_s, read_timeout=timeout_s))

    def read(self, key: str) -> bytes | None:
        """Return the object, however often that has to be asked."""
        return _insist(lambda: super(HotBucket, self).read(key))

    def write_once(self, key: str, data: bytes) -> bool:
        """Write an object, however often."""
        return _insist(lambda: super(HotBucket, self).write_once(key, data))


def _insist(request: Callable[[], _Answer]) -> _Answer:
    while True:
        try:
            return request()
        except (ConnectTimeoutError, ReadTimeoutError):
            continue
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] not in _REFUSED:
                raise
