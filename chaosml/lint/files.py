"""Which files are looked at: files, folders, patterns, and `-` for standard input."""

from __future__ import annotations

import glob
import os
import pathlib
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chaosml.document import read_text
from chaosml.errors import UsageError
from chaosml.lint import archives

__all__ = ["STDIN", "Candidate", "candidates", "contents"]

STDIN = pathlib.Path("<stdin>")
_SUFFIXES = (".json", ".yaml", ".yml", *archives.SUFFIXES)
_PROMISING = re.compile(
    r"argoproj\.io/|\bkind['\"]?:\s*['\"]?(Cluster|Cron)?Workflow|\b(deploymentSpec|pipelineSpec)\b"
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that may hold something to look at."""

    path: pathlib.Path
    is_named: bool
    """Named on the command line itself, not found in a folder or by a pattern."""

    def is_promising(self, text: str) -> bool:
        """Whether it is worth parsing: folders hold much that is none of ours."""
        return self.is_named or _PROMISING.search(text) is not None


def candidates(arguments: Sequence[str]) -> tuple[Candidate, ...]:
    """Return the files that the arguments mean, each once, in the order of the arguments.

    Raises:
        UsageError: there is no such file or folder, or a pattern fits nothing.
    """
    found: dict[pathlib.Path, Candidate] = {}
    for argument in arguments:
        for candidate in _meant(argument):
            found.setdefault(candidate.path, candidate)
    return tuple(found.values())


def _meant(argument: str) -> Iterator[Candidate]:
    path = STDIN if argument == "-" else pathlib.Path(argument)
    if path.is_dir():
        yield from (Candidate(below, is_named=False) for below in _below(path))
    elif argument == "-" or path.exists() or path.is_symlink():
        yield Candidate(path, is_named=True)
    else:
        matches = sorted(glob.glob(argument, recursive=True)) if glob.has_magic(argument) else []
        if not matches:
            raise UsageError(f"{argument}: there is no such file or folder")
        for match in map(pathlib.Path, matches):
            inside = _below(match) if match.is_dir() else [match]
            yield from (Candidate(below, is_named=False) for below in inside)


def _below(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yield YAML, JSON and archives of a folder in a fixed order, hidden folders left out."""
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.endswith(_SUFFIXES):
                yield pathlib.Path(parent, name)


def contents(candidate: Candidate) -> Iterator[tuple[pathlib.Path, str]]:
    """Yield the text of a file or of standard input; of an archive each that is inside.

    Raises:
        ScenarioError: it is too large, no UTF-8, or a broken archive.
        OSError: it cannot be read.
    """
    path = candidate.path
    if path == STDIN:
        yield path, read_text(sys.stdin.buffer, path)
    elif archives.is_archive(path):
        yield from archives.members(path, is_named=candidate.is_named)
    else:
        with path.open("rb") as file:
            yield path, read_text(file, path)
