"""The pages that are written from the code: docs/scenario.md, and the facts in docs/faults.md.

python -m chaosml.explain.pages docs

docs/scenario.md is written as a whole. In docs/faults.md people explain, and between two marks
stands what follows from the code; a kind that has no place yet gets a section at the end.
"""

from __future__ import annotations

import pathlib
import re
import sys
from collections.abc import Mapping

from chaosml.explain import fault_text, scenario_text
from chaosml.explain.kinds import KindFacts, facts
from chaosml.faults.catalogue import CATALOGUE

__all__ = ["all_pages", "filled", "main"]

_TABLE = "all kinds"
_BLOCK = re.compile(
    r"(?P<begin><!-- from the code: (?P<name>[\w .-]+) -->\n).*?(?P<end><!-- end -->\n)", re.DOTALL
)


def all_pages(folder: pathlib.Path) -> Mapping[str, str]:
    """Return every page by its file name, as it should be.

    Args:
        folder: Where the pages are: what people wrote stays.
    """
    kinds = [facts(kind) for kind in CATALOGUE.values()]
    written = (folder / "faults.md").read_text(encoding="utf-8")
    return {"scenario.md": scenario_text.markdown(), "faults.md": filled(written, kinds)}


def filled(text: str, kinds: list[KindFacts]) -> str:
    """Return a page with the facts between its marks; marks of kinds that are gone go too."""
    blocks = {kind.name: fault_text.markdown_detail(kind) for kind in kinds}
    blocks[_TABLE] = fault_text.markdown_table(kinds)
    placed = set(match["name"] for match in _BLOCK.finditer(text))
    for kind in kinds:
        if kind.name not in placed:
            text += f"\n## `{kind.name}`\n\n{_sentence(kind.summary)}\n\n{_marked(kind.name)}"

    def fill(match: re.Match[str]) -> str:
        block = blocks.get(match["name"])
        return "" if block is None else f"{match['begin']}{block}{match['end']}"

    return _BLOCK.sub(fill, text)


def _marked(name: str) -> str:
    return f"<!-- from the code: {name} -->\n<!-- end -->\n"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def main() -> None:
    """Write the pages into the folder that the command line names."""
    folder = pathlib.Path(sys.argv[1])
    for name, text in all_pages(folder).items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
