"""What is known of a pipeline before anything is guessed: its file, tasks, parameters, images."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Image", "Subject", "Task"]


@dataclass(frozen=True, slots=True)
class Task:
    """A task that runs as a pod."""

    name: str
    policy: str
    """Its retry policy as Argo decides it; `Never` without a strategy."""
    command: str
    """For people: what it runs."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image, and what stands for it on this machine."""

    name: str
    python: str | None = None
    folder: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A pipeline to write a scenario for."""

    name: str
    workflow: pathlib.Path
    source: str
    """What the user named: a file, or a command."""
    tasks: tuple[Task, ...]
    training: str
    """The task that is taken for the training."""
    why_training: str
    parameters: Mapping[str, str]
    """Declared parameters of the workflow with their values; empty where there is none."""
    bucket: str
    """The parameter that carries the bucket."""
    run_id: str | None = None
    registry: str | None = None
    images: tuple[Image, ...] = ()
    secrets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Keys by secret that containers read."""
    notes: tuple[str, ...] = ()
    """What its reader has to know, a sentence each."""

    def policy(self, name: str) -> str:
        """Return the retry policy of a task."""
        return next((one.policy for one in self.tasks if one.name == name), "Never")
