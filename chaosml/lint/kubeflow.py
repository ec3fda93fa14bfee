"""Compiled Kubeflow Pipelines packages as rules look at them.

A package is the intermediate representation that `kfp` writes: `root.dag.tasks` refer to
components, these to executors. What the backend makes of it for Argo:
kubeflow/pipelines backend/src/v2/compiler/argocompiler.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from chaosml.lint.part import Part

__all__ = ["Package", "Task", "is_package"]


def is_package(whole: Part) -> bool:
    """Tell whether a document is a compiled pipeline, bare or inside a PipelineJob."""
    spec = _spec(whole)
    return spec.at("root").exists and spec.at("deploymentSpec").exists


def _spec(whole: Part) -> Part:
    inside = whole.at("pipelineSpec")
    return inside if inside.exists else whole


@dataclass(frozen=True)
class Task:
    """One task of one dag."""

    part: Part
    name: str
    executor: Part
    """What it runs; without a value for a nested dag."""

    @property
    def container(self) -> Part:
        """Image, command and arguments; without a value for an importer or a nested dag."""
        return self.executor.at("container")

    @property
    def is_cached(self) -> bool:
        """Whether results of former runs are taken instead of running it."""
        return self.part.at("cachingOptions", "enableCache").value is True


@dataclass(frozen=True)
class Package:
    """A compiled pipeline."""

    whole: Part

    @cached_property
    def spec(self) -> Part:
        """The pipeline's spec."""
        return _spec(self.whole)

    @cached_property
    def tasks(self) -> tuple[Task, ...]:
        """Every task of the pipeline and of the dags inside it."""
        return tuple(self._tasks())

    def _tasks(self) -> Iterator[Task]:
        dags = [self.spec.at("root")]
        dags += [component for _, component in self.spec.at("components").entries()]
        for dag in dags:
            for name, part in dag.at("dag", "tasks").entries():
                component = self.spec.at("components", part.at("componentRef", "name").text)
                label = component.at("executorLabel").text
                executor = self.spec.at("deploymentSpec", "executors", label)
                yield Task(part, name, executor)

    @property
    def steps(self) -> Iterator[Task]:
        """The tasks that run a container of the user's."""
        return (task for task in self.tasks if task.container.exists)
