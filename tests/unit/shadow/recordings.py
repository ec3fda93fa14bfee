"""Recordings of a real Argo (v4.0.5, Kubernetes 1.34), and what tests change in them."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from chaosml.shadow.judging import Outcome, hold
from chaosml.shadow.recording import RECORDING, Node, PodState, Recording, Status, read

FOLDER = pathlib.Path(__file__).parent / "recorded"
CASES = tuple(sorted(path.name for path in FOLDER.iterdir() if path.is_dir()))


def document(case: str) -> pathlib.Path:
    return FOLDER / case / "workflow.yaml"


def recorded(case: str) -> Recording:
    found = read(FOLDER / case / RECORDING)
    assert found is not None
    return found


def judged(case: str, recording: Recording) -> Outcome:
    return hold(document(case), recording)


def nodes(recording: Recording) -> list[tuple[int, Node]]:
    """Return every node that differs from before, with the index of its status."""
    return [(at, node) for at, status in enumerate(recording.statuses) for node in status.nodes]


def with_statuses(recording: Recording, statuses: list[Status]) -> Recording:
    return dataclasses.replace(recording, statuses=tuple(statuses))


def with_nodes(
    recording: Recording, change: Callable[[Node], Node | None], at: int | None = None
) -> Recording:
    """Change or (None) drop nodes, in every status or in one."""
    statuses = [
        status
        if at not in (None, number)
        else replace(
            status,
            nodes=tuple(new for node in status.nodes if (new := change(node)) is not None),
        )
        for number, status in enumerate(recording.statuses)
    ]
    return with_statuses(recording, statuses)


def with_node(recording: Recording, name: str, at: int | None = None, **changes: Any) -> Recording:
    """Change one node wherever it is shown, or in one status."""
    assert any(node.name == name for _, node in nodes(recording))
    return with_nodes(
        recording, lambda node: replace(node, **changes) if node.name == name else node, at
    )


def with_pods(recording: Recording, **changes: Any) -> Recording:
    pods: tuple[PodState, ...] = tuple(replace(pod, **changes) for pod in recording.pods)
    return dataclasses.replace(recording, pods=pods)
