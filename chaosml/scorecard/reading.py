"""Finding and reading the runs below folders; what is none is named, never guessed at.

A folder with a `verdict.json`, or with the documents a run begins with, is a run; nothing
is looked for below it. Loose JSON documents and folders without any run are foreign.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from chaosml.document import display_path
from chaosml.errors import HistoryError, UsageError
from chaosml.scorecard.model import KIND, SCHEMA, Scorecard, Skipped
from chaosml.store.directory import INPUTS, OWNER, RunDirectory
from chaosml.verdict import Judgement

__all__ = ["VERDICT", "Found", "Harvest", "read_runs", "read_scorecard"]

VERDICT = "verdict.json"
"""The document that a run is read from."""
_JUDGEMENT_SCHEMA = 1
_SIZE_MAX = 64 << 20
_DEPTH_MAX = 8


class _Head(msgspec.Struct, frozen=True):
    """What any of our documents begins with."""

    schema: int | None = None
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A run with its judgement."""

    path: pathlib.Path
    judgement: Judgement
    called: str | None = None
    """What the directory is called where its path would not mean the same to every reader."""

    @property
    def folder(self) -> str:
        """The directory, as people find it."""
        return self.called or _shown(self.path)


@dataclass(slots=True)
class Harvest:
    """Everything that was found below some folders."""

    found: list[Found] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def skip(self, path: pathlib.Path, why: str, *, harmless: bool = False) -> None:
        """Name something that is not shown."""
        self.skipped.append(Skipped(_shown(path), why, harmless))


def _shown(path: pathlib.Path) -> str:
    """Return a path as people find it; bytes that are no text are made visible."""
    return os.fsencode(display_path(path)).decode("utf-8", "backslashreplace")


class _Unreadable(Exception):
    """A document is not what it should be; caught where documents are read."""


def read_runs(paths: Iterable[pathlib.Path]) -> Harvest:
    """Read every run below the folders, each once, however it was named.

    Raises:
        UsageError: a path does not exist, or there is neither a run nor anything like one.
    """
    harvest = Harvest()
    seen: set[pathlib.Path] = set()
    given = list(paths)
    for path in given:
        if not path.exists():
            raise UsageError(f"{path}: there is no such folder of runs; name one such as reports")
        _read_path(path.resolve(), harvest, seen)
    if not harvest.found and not harvest.skipped:
        shown = ", ".join(str(path) for path in given)
        raise UsageError(f"{shown}: holds no run; make one: chaosml run scenarios/spot.yaml")
    harvest.skipped.sort()
    return harvest


def _read_path(path: pathlib.Path, harvest: Harvest, seen: set[pathlib.Path]) -> None:
    if path.is_file():
        if path.name != VERDICT:
            harvest.skip(path, f"is no folder of runs and no {VERDICT}")
            return
        path = path.parent
    _descend(path, harvest, seen, _DEPTH_MAX)


def _descend(folder: pathlib.Path, harvest: Harvest, seen: set[pathlib.Path], depth: int) -> int:
    """Read what is in a folder; return how many runs, readable or not, were in it."""
    if folder in seen:
        return 1
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        harvest.skip(folder, f"cannot be read: {error.strerror}")
        return 1
    files = {entry.name for entry in entries if entry.is_file(follow_symlinks=False)}
    if VERDICT in files or files & set(INPUTS):
        seen.add(folder)
        _read_run(folder, files, harvest)
        return 1
    runs = 0
    folders = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
    for entry in folders:
        if not entry.name.startswith(".") and depth > 0:
            runs += _descend(folder / entry.name, harvest, seen, depth - 1)
    foreign = list(_foreign(folder, files))
    for name in foreign:
        harvest.skip(folder / name, "is no document of a run")
    if not runs and not foreign and entries and depth < _DEPTH_MAX:
        harvest.skip(folder, "holds no run")
        return 1
    return runs + len(foreign)


def _foreign(folder: pathlib.Path, files: Iterable[str]) -> Iterator[str]:
    """Yield the JSON documents that lie where runs lie and are not ours."""
    for name in sorted(files):
        if name.endswith(".json") and not name.startswith("."):
            try:
                head = _head(_content(folder / name))
            except _Unreadable:
                yield name
                continue
            if head.kind != KIND:
                yield name


def _read_run(folder: pathlib.Path, files: set[str], harvest: Harvest) -> None:
    if VERDICT not in files:
        _explain_unjudged(folder, files, harvest)
        return
    try:
        harvest.found.append(Found(folder, _judgement(_content(folder / VERDICT))))
    except _Unreadable as error:
        harvest.skip(folder / VERDICT, str(error))


def _explain_unjudged(folder: pathlib.Path, files: set[str], harvest: Harvest) -> None:
    if OWNER in files:
        try:
            owner = RunDirectory(folder).owner
        except HistoryError as error:
            harvest.skip(folder, str(error))
            return
        if owner is not None and owner.is_alive:
            harvest.skip(folder, "is still running", harmless=True)
            return
    harvest.skip(folder, f"ended before it was judged; try: chaosml judge {_shown(folder)}")


def _content(path: pathlib.Path) -> bytes:
    try:
        if path.stat().st_size > _SIZE_MAX:
            raise _Unreadable(f"is larger than {_SIZE_MAX >> 20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise _Unreadable(f"cannot be read: {error.strerror}") from error


def _head(content: bytes) -> _Head:
    try:
        return msgspec.json.decode(content, type=_Head)
    except (msgspec.ValidationError, RecursionError) as error:
        raise _Unreadable("is a document of another program") from error
    except msgspec.DecodeError as error:
        raise _Unreadable(_broken(content, error)) from error


def _broken(content: bytes, error: msgspec.DecodeError) -> str:
    if not content.strip():
        return "is empty"
    if "truncated" in str(error):
        return "is truncated; write it anew: chaosml judge RUN"
    return f"is no JSON: {error}"


def _judgement(content: bytes) -> Judgement:
    head = _head(content)
    if head.schema is None:
        raise _Unreadable("is a document of another program")
    if head.schema > _JUDGEMENT_SCHEMA:
        raise _Unreadable(
            f"has schema {head.schema} and this version reads up to {_JUDGEMENT_SCHEMA}: "
            "update chaosml"
        )
    try:
        return msgspec.json.decode(content, type=Judgement)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise _Unreadable(f"is not what chaosml writes: {error}") from error


def read_scorecard(path: pathlib.Path) -> Scorecard:
    """Read a scorecard that was written as JSON.

    Raises:
        UsageError: it is none, or one of a newer version.
    """
    try:
        content = _content(path)
        head = _head(content)
        if head.kind != KIND or head.schema is None:
            raise _Unreadable("is no scorecard; write one: chaosml scorecard reports --json FILE")
        if head.schema > SCHEMA:
            raise _Unreadable(
                f"has schema {head.schema}; this version reads up to {SCHEMA}: update chaosml"
            )
        return msgspec.json.decode(content, type=Scorecard)
    except (_Unreadable, msgspec.MsgspecError, RecursionError) as error:
        raise UsageError(f"{display_path(path)}: {error}") from error
