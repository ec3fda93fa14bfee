"""Reports as they were looked at and found good, one file for each.

    python tests/unit/reports/golden.py

writes them anew after a wanted change; the difference is to be read before it is kept.
"""

import io
import pathlib

import judgements
from rich.console import Console

from chaosml.reports import junit, summary_md, terminal, verdict_json

FOLDER = pathlib.Path(__file__).with_name("golden")
RUN = pathlib.Path("reports/spot/20261124T221500Z")


def text(judgement, width=80):
    """Return the summary of a terminal as a file gets it."""
    console = Console(file=io.StringIO(), width=width, highlight=False, markup=False, emoji=False)
    return terminal.render(judgement, RUN, console)


def renderings():
    """Yield the name of every golden file with what it must hold."""
    made = {"passed": judgements.passed(), "failed": judgements.failed()}
    for name, judgement in made.items():
        yield f"{name}.json", verdict_json.render(judgement)
        yield f"{name}.xml", junit.render(judgement)
        yield f"{name}.md", summary_md.render(judgement)
        yield f"{name}.txt", text(judgement).encode()
    yield "failed-wide.txt", text(made["failed"], 120).encode()
    yield "failed-narrow.txt", text(made["failed"], 60).encode()


if __name__ == "__main__":
    for file, content in renderings():
        (FOLDER / file).write_bytes(content)
