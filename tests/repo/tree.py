"""The files of the project, parsed once for all tidy tests."""

from __future__ import annotations

import ast
import functools
import pathlib
from collections.abc import Iterator
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "chaosml"
_FOLDERS = (".ci", "benchmarks", "chaosml", "docs", "scenarios", "tests")
_NOT_TEXT = frozenset({".gz", ".npz", ".png", ".pyc"})


@dataclass(frozen=True)
class Module:
    """A Python file: its path from the root, text and syntax tree."""

    path: str
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """Its dotted name."""
        parts = pathlib.PurePosixPath(self.path).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def modules(folder: str = "chaosml") -> tuple[Module, ...]:
    """Return the Python modules below a folder of the project."""
    found = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        found.append(Module(path.relative_to(ROOT).as_posix(), text, ast.parse(text)))
    return tuple(found)


def text_files() -> Iterator[tuple[str, str]]:
    """Yield path and text of everything in the project that people wrote."""
    tops = [path for path in ROOT.iterdir() if path.is_file()]
    below = [path for folder in _FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()]
    for path in sorted(tops + below):
        if path.suffix not in _NOT_TEXT and "__pycache__" not in path.parts:
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
