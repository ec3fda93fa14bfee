"""Packages that are archives, as older compilers of Kubeflow Pipelines write them: zip, tar.gz.

Nothing is unpacked onto the disk, and what an archive can cost is bounded: its size, how many
members it has, how much it holds unpacked, and each text as any other file's.
"""

from __future__ import annotations

import gzip
import io
import pathlib
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, BinaryIO, cast

from chaosml.document import display_path, read_text
from chaosml.errors import Problem, ScenarioError

__all__ = ["SUFFIXES", "is_archive", "members"]

SUFFIXES = (".tar.gz", ".tgz", ".zip")
_TEXTS = (".json", ".yaml", ".yml")
_ARCHIVE_BYTES_MAX = 16 << 20
_UNPACKED_BYTES_MAX = 64 << 20
_MEMBERS_MAX = 1_000
_UNPACKED = f"it holds more than {_UNPACKED_BYTES_MAX >> 20} MiB"
_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    # An encrypted member, and a compression that Python does not know.
    RuntimeError,
    NotImplementedError,
    # Names and headers that are no text.
    ValueError,
)


class _Refused(Exception):
    """An archive is not read any further; caught where it is opened."""


class _TooMuch(_Refused):
    """It is more than a package of a pipeline can be."""


def is_archive(path: pathlib.Path) -> bool:
    """Whether the name of a file says that it is an archive."""
    return path.name.lower().endswith(SUFFIXES)


def members(path: pathlib.Path, *, is_named: bool) -> Iterator[tuple[pathlib.Path, str]]:
    """Yield the YAML and JSON texts of an archive, each with `ARCHIVE/MEMBER` as its path.

    Args:
        path: The archive.
        is_named: Whether it is meant by itself: what a folder holds may as well be a dataset, so
            that it is left alone where it is too large.

    Raises:
        ScenarioError: it is broken, too large, or names a member outside of itself; or a text
            is too large or no UTF-8.
        OSError: the file cannot be read.
    """
    shown = display_path(path)
    try:
        with path.open("rb") as file:
            if file.seek(0, io.SEEK_END) > _ARCHIVE_BYTES_MAX:
                raise _TooMuch(f"it is larger than {_ARCHIVE_BYTES_MAX >> 20} MiB")
            file.seek(0)
            yield from _texts(file, path)
    except _Refused as error:
        if isinstance(error, _TooMuch) and not is_named:
            return
        raise ScenarioError([Problem(shown, 1, 1, f"the archive is not read: {error}")]) from error
    except _BROKEN as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise ScenarioError([Problem(shown, 1, 1, f"the archive is broken: {said}")]) from error


def _texts(file: BinaryIO, path: pathlib.Path) -> Iterator[tuple[pathlib.Path, str]]:
    opened = _zipped(file) if path.name.lower().endswith(".zip") else _tarred(file)
    seen: set[str] = set()
    unpacked = 0
    for count, (name, content) in enumerate(opened, start=1):
        if count > _MEMBERS_MAX:
            raise _TooMuch(f"it has more than {_MEMBERS_MAX} members")
        _check_name(name)
        if name in seen:
            raise _Refused(f"it has the member {name!r} twice")
        seen.add(name)
        if content is not None and name.lower().endswith(_TEXTS):
            inside = path / name
            text = read_text(content, inside)
            unpacked += len(text)
            if unpacked > _UNPACKED_BYTES_MAX:
                raise _TooMuch(_UNPACKED)
            yield inside, text


def _check_name(name: str) -> None:
    """Refuse what would lie outside of the folder that an archive is unpacked into."""
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or parts[0] == "" or ":" in parts[0]:
        raise _Refused(f"its member {name!r} lies outside of it")


def _zipped(file: BinaryIO) -> Iterator[tuple[str, BinaryIO | None]]:
    """Yield names and, for files, contents; a link of Unix is no file."""
    with zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if entry.is_dir() or kind not in (0, stat.S_IFREG):
                yield entry.filename, None
                continue
            with archive.open(entry) as content:
                yield entry.filename, cast("BinaryIO", content)


def _tarred(file: BinaryIO) -> Iterator[tuple[str, BinaryIO | None]]:
    bounded = _Bounded(gzip.GzipFile(fileobj=file))
    with tarfile.open(fileobj=bounded, mode="r|") as archive:
        for entry in archive:
            content: IO[bytes] | None = archive.extractfile(entry) if entry.isreg() else None
            yield entry.name, cast("BinaryIO | None", content)


class _Bounded(io.RawIOBase):
    """A stream that ends an archive which would never end: a small file can hold gigabytes."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        super().__init__()
        self._stream = stream
        self._left = _UNPACKED_BYTES_MAX

    def read(self, size: int = -1) -> bytes:
        found = self._stream.read(min(size, self._left + 1) if size >= 0 else self._left + 1)
        self._left -= len(found)
        if self._left < 0:
            raise _TooMuch(_UNPACKED)
        return found
