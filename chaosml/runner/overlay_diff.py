"""What a run would submit, beside the user's document: shown without a cluster.

The first execution is shown whole. Of the others, what differs from it: their names and
the parameters that carry their identity.
"""

from __future__ import annotations

import pathlib
import tempfile
from collections.abc import Sequence
from typing import Any

import msgspec

from chaosml.document import read_all
from chaosml.plan.model import Plan
from chaosml.runner import foresight
from chaosml.scenario.load import LoadedScenario
from chaosml.substrates.kubernetes.overlay import compose, diff

__all__ = ["Difference", "coloured", "differences", "json_of", "text_of"]

_COLOURS = {"---": "1", "+++": "1", "@@ ": "36", "-": "31", "+": "32"}
"""By the begin of a line; the first that fits."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of the document in one execution."""

    execution: str
    workflow: str
    """Name of the Workflow that is submitted."""
    diff: str
    """Unified, from the document to what is submitted."""
    submitted: dict[str, Any]


def differences(loaded: LoadedScenario, planned: Plan, substrate: str) -> tuple[Difference, ...]:
    """Return what a run would submit, execution by execution.

    Raises:
        ScenarioError: the file refers to templates that it does not hold.
    """
    document = next(
        (one.data for one in read_all(loaded.workflow.path) if one.get(("kind",)) == "Workflow"), {}
    )
    composer = foresight.compose(loaded, substrate)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for setup in foresight.setups(composer, planned, pathlib.Path(folder)):
            submitted = compose(setup.submission, foresight.mark(loaded))
            found.append(
                Difference(
                    execution=setup.header.execution,
                    workflow=setup.submission.name,
                    diff=diff(document, submitted),
                    submitted=submitted,
                )
            )
    return tuple(found)


def text_of(found: Sequence[Difference]) -> str:
    """Return the first difference whole, and of the others what differs from that."""
    first, *others = found
    text = f"# {first.execution}\n{first.diff}"
    for other in others:
        text += f"\n# {other.execution}: as {first.execution}, but for\n"
        text += diff(first.submitted, other.submitted, (first.workflow, other.workflow))
    return f"{text}\n# {foresight.NOTE}\n"


def json_of(found: Sequence[Difference]) -> str:
    """Return the differences as a document."""
    executions = [
        {"execution": one.execution, "workflow": one.workflow, "diff": one.diff} for one in found
    ]
    document = {"executions": executions, "note": foresight.NOTE}
    return msgspec.json.format(msgspec.json.encode(document)).decode() + "\n"


def coloured(text: str) -> str:
    """Return a diff as a terminal shows it: red goes, green comes."""
    return "".join(_colour(line) for line in text.splitlines(keepends=True))


def _colour(line: str) -> str:
    code = next((code for begin, code in _COLOURS.items() if line.startswith(begin)), None)
    return line if code is None else f"\x1b[{code}m{line.rstrip()}\x1b[0m\n"
