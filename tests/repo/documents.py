"""The pages of the project, and the code blocks and commands in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from tree import ROOT

PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(chaosml [^`]+)`")
_CALL = re.compile(r"(?:^|[\s\"'/;(&|]|- )(chaosml [^\n]*)")
_ENDS = {"|", "||", "&&", ";", ">", ">>", "<", "2>", "&"}


@dataclass(frozen=True)
class Block:
    """A fenced block: where it stands, its language, its text without the indent."""

    page: str
    line: int
    language: str
    text: str


@dataclass(frozen=True)
class Command:
    """A call of chaosml in a page."""

    page: str
    line: int
    words: tuple[str, ...]
    is_whole: bool
    """Whether it is meant to be run as it stands, not only named in a sentence."""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {' '.join(self.words)}"


def blocks(*languages: str) -> Iterator[Block]:
    """Yield the blocks of all pages, those of some languages alone if any are named."""
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        for found in _FENCE.finditer(text):
            if not languages or found[2] in languages:
                lines = found[3].splitlines()
                dedented = "\n".join(line.removeprefix(found[1]) for line in lines) + "\n"
                page = path.relative_to(ROOT).as_posix()
                yield Block(page, text.count("\n", 0, found.start()) + 2, found[2], dedented)


def commands() -> Iterator[Command]:
    """Yield every call in shell and YAML blocks, and those named in sentences."""
    for block in blocks("sh", "bash", "yaml", "dockerfile", "console"):
        joined = re.sub(r"\\\n\s*", " ", block.text)
        for number, line in enumerate(joined.splitlines()):
            for call in _calls(line):
                yield Command(block.page, block.line + number, call, is_whole=True)
    for path in PAGES:
        page = path.relative_to(ROOT).as_posix()
        text = _FENCE.sub(lambda found: "\n" * found[0].count("\n"), path.read_text("utf-8"))
        for found in _INLINE.finditer(text):
            for call in _calls(" ".join(found[1].split())):
                yield Command(page, text.count("\n", 0, found.start()) + 1, call, is_whole=False)


def _calls(line: str) -> Iterator[tuple[str, ...]]:
    line = re.sub(r"\$\{\{[^}]*\}\}|\$\w+|\$\{\w+\}|\{\{[^}]*\}\}", "1", line)
    for piece in re.split(r"\s(?:&&|\|\||\||;)\s|; ", line):
        found = _CALL.search(piece)
        if found is None or piece.lstrip().startswith("#"):
            continue
        try:
            words = shlex.split(found[1], comments=True)
        except ValueError:
            words = found[1].split()
        ends = [place for place, word in enumerate(words) if word in _ENDS]
        yield tuple(words[1 : ends[0] if ends else None])
