"""Reader of what `torch.save` writes, without unpickling anything.

Which bytes belong to which tensor is said only by the pickle inside, which is code.
So components stay unknown; the digest covers the pickle and every storage, and
neither the names nor the times that the zip around them carries.
"""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from typing import IO

from chaosml.artifacts.content import Content, UnreadableError
from chaosml.artifacts.npz import ARCHIVE_ERRORS, open_archive

__all__ = ["read_torch"]

_PICKLE = b"\x80"


class _Hash:
    """A digest that can be written to like a file."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> None:
        """Take more bytes."""
        self.digest.update(data)


def read_torch(file: IO[bytes]) -> Content:
    """Return the digest of a file that `torch.save` wrote.

    Raises:
        UnreadableError: it is none, or torn.
    """
    begin = file.read(4)
    file.seek(0)
    if begin[:1] == _PICKLE:
        # The format before torch 1.6: a bare pickle, then the storages.
        total = _Hash()
        shutil.copyfileobj(file, total)
        return Content(digest=total.digest.hexdigest())
    try:
        with open_archive(file, "torch file") as archive:
            return Content(digest=_digest(archive))
    except UnreadableError:
        raise
    except ARCHIVE_ERRORS as error:
        raise UnreadableError(f"not a torch file: {error}") from error


def _digest(archive: zipfile.ZipFile) -> str:
    # Every record is below one folder, which is called after the file.
    records = {info.filename.partition("/")[2]: info for info in archive.infolist()}
    if "data.pkl" not in records:
        raise UnreadableError("not a torch file: it has no data.pkl")
    total = _Hash()
    for name, info in sorted(records.items()):
        if name == "data.pkl" or name.startswith("data/"):
            total.write(f"{name}|{info.file_size}|".encode())
            with archive.open(info) as record:
                shutil.copyfileobj(record, total)
    return total.digest.hexdigest()
