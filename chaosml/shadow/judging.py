"""What the shadow says of one execution: from the document and the recording to an outcome."""

from __future__ import annotations

import datetime
import pathlib

import msgspec

from chaosml.errors import ScenarioError
from chaosml.shadow.pods import wall_ns
from chaosml.shadow.recording import Header, Recording, read
from chaosml.shadow.replay import Replay, Unreachable
from chaosml.workflow.load import load
from chaosml.workflow.model import Workflow
from chaosml.workflow.reducer import Reduction, start
from chaosml.workflow.substitution import UnresolvedReference

__all__ = ["Outcome", "hold", "judge"]

_WORK_MAX = 1_000_000
"""Statuses times nodes beyond which a replay would take minutes."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the replay of one execution gave."""

    statuses: int
    """How many were judged."""
    reachable: bool | None
    """Whether all of them can be reached; None where that was not judged."""
    why_not_judged: str = ""
    cut: str = ""
    """Why the recording does not reach to the end of the workflow."""
    unreachable: Unreachable | None = None


def judge(document: pathlib.Path, recording: pathlib.Path) -> Outcome:
    """Replay a recording through the reducer.

    Args:
        document: The Workflow that was submitted, as its user wrote it.
        recording: What Argo showed.

    Raises:
        HistoryError: the recording cannot be read.
    """
    found = read(recording)
    return (
        _not_judged("Argo has not shown the workflow") if found is None else hold(document, found)
    )


def hold(document: pathlib.Path, recording: Recording) -> Outcome:
    """Hold what Argo showed against what the reducer makes of the same document.

    Args:
        document: The Workflow that was submitted.
        recording: What Argo showed.
    """
    reason = _reason_against(recording)
    if reason is not None:
        return _not_judged(reason)
    header = recording.header
    try:
        workflow = _placed(load(document, header.parameters).model, header)
        beginning = _begin(workflow, header)
    except (ScenarioError, UnresolvedReference) as error:
        return _not_judged(f"the reducer does not run the document: {error}")
    unreachable = Replay(recording, beginning).run()
    return Outcome(
        statuses=len(recording.statuses),
        reachable=unreachable is None,
        cut=recording.cut,
        unreachable=unreachable,
    )


def _not_judged(why: str) -> Outcome:
    return Outcome(statuses=0, reachable=None, why_not_judged=why)


def _reason_against(recording: Recording) -> str | None:
    """Return why a recording cannot be replayed; None where it can."""
    nodes = {node.name: node for status in recording.statuses for node in status.nodes}
    if any(node.memoized for node in nodes.values()):
        return "a template took its outputs from a cache that earlier workflows filled"
    if len(nodes) * len(recording.statuses) > _WORK_MAX:
        return f"{len(recording.statuses)} statuses of {len(nodes)} nodes are too many to replay"
    return None


def _placed(workflow: Workflow, header: Header) -> Workflow:
    """Return the workflow with what the API and the overlay have made of its metadata."""
    metadata = workflow.metadata.model_copy(
        update={
            "namespace": header.namespace,
            "labels": header.labels,
            "annotations": header.annotations,
        }
    )
    return workflow.model_copy(update={"metadata": metadata})


def _begin(workflow: Workflow, header: Header) -> Reduction:
    at_ns = wall_ns(header.created) or 0
    return start(
        workflow,
        name=header.workflow,
        uid=header.uid,
        parameters=header.parameters,
        at_ns=at_ns,
        created_at=datetime.datetime.fromtimestamp(at_ns // 1_000_000_000, tz=datetime.UTC),
    )
