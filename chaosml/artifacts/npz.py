"""Reader of NumPy's `npz`: nothing is unpickled and no size is believed before it is checked."""

from __future__ import annotations

import lzma
import math
import struct
import zipfile
import zlib
from typing import IO, Any

import numpy
from numpy.lib import format as npy

from chaosml.artifacts.arrays import ARRAY_BYTES_MAX
from chaosml.artifacts.content import UnreadableError

__all__ = ["ARCHIVE_ERRORS", "open_archive", "read_npz"]

ARCHIVE_ERRORS = (
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What zipfile and numpy raise for bytes that are no archive of arrays."""

_HEADERS = {
    (1, 0): npy.read_array_header_1_0,
    (2, 0): npy.read_array_header_2_0,
}


def read_npz(file: IO[bytes]) -> dict[str, numpy.ndarray[Any, Any]]:
    """Return the arrays of an `npz` by name.

    Raises:
        UnreadableError: the bytes are no `npz`, or one that is torn, pickled or too large.
    """
    try:
        with open_archive(file, "npz") as archive:
            return {
                info.filename.removesuffix(".npy"): _read_member(archive, info)
                for info in archive.infolist()
            }
    except UnreadableError:
        raise
    except ARCHIVE_ERRORS as error:
        raise UnreadableError(f"not an npz: {error}") from error


def open_archive(file: IO[bytes], what: str) -> zipfile.ZipFile:
    """Open a zip whose members, uncompressed, are not larger than the limit.

    Raises:
        UnreadableError: it is none, ends early, is too large or has a name twice.
    """
    begin = file.read(4)
    file.seek(0)
    try:
        archive = zipfile.ZipFile(file)
    except ARCHIVE_ERRORS as error:
        # A writer that was cut off leaves members and no directory.
        why = "truncated" if begin == b"PK\x03\x04" else f"not a zip ({error})"
        raise UnreadableError(f"{why}: not an {what}") from error
    members = archive.infolist()
    total = sum(info.file_size for info in members)
    if total > ARRAY_BYTES_MAX:
        raise UnreadableError(f"too large: {total} bytes uncompressed, limit {ARRAY_BYTES_MAX}")
    if len({info.filename for info in members}) < len(members):
        raise UnreadableError(f"not an {what}: two members have the same name")
    return archive


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> numpy.ndarray[Any, Any]:
    with archive.open(info) as member:
        version = npy.read_magic(member)
        if version not in _HEADERS:
            raise UnreadableError(f"not an npz: {info.filename} has npy version {version}")
        shape, by_columns, dtype = _HEADERS[version](member)
        if dtype.hasobject:
            raise UnreadableError(f"holds pickled objects, which are not read: {info.filename}")
        wanted = math.prod(shape) * dtype.itemsize
        # The header could ask for more memory than there is.
        if min(shape, default=0) < 0 or wanted > info.file_size:
            raise UnreadableError(f"truncated: {info.filename} has shape {shape} of {dtype}")
        data = member.read(wanted)
        if member.read(1):
            raise UnreadableError(f"not an npz: {info.filename} goes on after its array")
    if len(data) < wanted:
        raise UnreadableError(f"truncated: {info.filename} has shape {shape} of {dtype}")
    array = numpy.frombuffer(data, dtype=dtype, count=math.prod(shape)) if wanted else None
    if array is None:
        return numpy.empty(shape, dtype)
    return array.reshape(shape, order="F" if by_columns else "C")
