"""Workflow documents as rules look at them: templates, and what Argo makes of their settings.

Documents are taken as they are, sound or not: a rule reads what is there. Source of the
merging: argo-workflows workflow/controller/operator.go (`templateDefaults` are merged into
each template, `spec.retryStrategy` is for templates without one).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from chaosml.lint.part import Part

__all__ = ["COMPOSITE", "KINDS", "Manifest", "Retry", "Template", "spec_of"]

KINDS = frozenset({"ClusterWorkflowTemplate", "CronWorkflow", "Workflow", "WorkflowTemplate"})
COMPOSITE = ("dag", "steps")
_POD = ("container", "script", "containerSet", "resource", "data")
_OTHER = ("suspend", "http", "plugin")


def spec_of(whole: Part) -> Part:
    """Return the workflow's spec in a document of any of the kinds."""
    spec = whole.at("spec")
    return spec.at("workflowSpec") if whole.at("kind").value == "CronWorkflow" else spec


@dataclass(frozen=True, slots=True)
class Retry:
    """The retry strategy that a template ends up with: its own fields, then the defaults'."""

    own: Part
    defaults: Part | None = None

    def at(self, *keys: str) -> Part:
        """Return a field where it comes from; where nobody has it, its place in the own one."""
        found = self.own.at(*keys)
        if not found.exists and self.defaults is not None and self.defaults.at(*keys).exists:
            return self.defaults.at(*keys)
        return found

    @property
    def policy(self) -> str:
        """The policy as Argo decides it."""
        return self.at("retryPolicy").text or (
            "Always" if self.at("expression").text else "OnFailure"
        )

    @property
    def limit(self) -> int | None:
        """How many retries there are; None where there is no limit or it is no number."""
        return self.at("limit").number


@dataclass(frozen=True)
class Template:
    """A template, also one that stands inline in a task or step."""

    manifest: Manifest = field(repr=False)
    part: Part
    name: str

    @cached_property
    def kind(self) -> str:
        """What it is, such as `container` or `dag`; empty where it is nothing known."""
        kinds = (*_POD, *COMPOSITE, *_OTHER)
        return next((kind for kind in kinds if self.part.at(kind).exists), "")

    @property
    def runs_pod(self) -> bool:
        """Whether it is carried out by a pod of its own."""
        return self.kind in _POD

    def setting(self, *keys: str) -> Part:
        """Return a field: the template's own, else that of `templateDefaults`."""
        own, default = self.part.at(*keys), self.manifest.spec.at("templateDefaults", *keys)
        return default if not own.exists and default.exists else own

    def pod_setting(self, key: str) -> Part:
        """Return a field that the workflow's spec has for all pods, too."""
        found = self.setting(key)
        return found if found.exists else self.manifest.spec.at(key)

    @cached_property
    def retry(self) -> Retry | None:
        """The retry strategy that holds for it; None where nothing is retried."""
        own = self.part.at("retryStrategy")
        defaults = self.manifest.spec.at("templateDefaults", "retryStrategy")
        if isinstance(own.value, dict):
            return Retry(own, defaults if defaults.exists else None)
        for shared in (defaults, self.manifest.spec.at("retryStrategy")):
            if isinstance(shared.value, dict):
                return Retry(shared)
        return None

    @cached_property
    def containers(self) -> tuple[Part, ...]:
        """The user's own containers, not sidecars: of a container, script or container set."""
        if self.kind == "containerSet":
            return tuple(self.part.at("containerSet", "containers").items())
        return (self.part.at(self.kind),) if self.kind in ("container", "script") else ()

    def tasks(self) -> Iterator[Part]:
        """Yield the tasks of a dag and the steps of every group."""
        yield from self.part.at("dag", "tasks").items()
        for group in self.part.at("steps").items():
            yield from group.items()


@dataclass(frozen=True)
class Manifest:
    """One document of a kind that Argo Workflows knows."""

    whole: Part

    @property
    def kind(self) -> str:
        """Its kind, such as `CronWorkflow`."""
        return self.whole.at("kind").text

    @cached_property
    def spec(self) -> Part:
        """The workflow's spec."""
        return spec_of(self.whole)

    @cached_property
    def templates(self) -> tuple[Template, ...]:
        """Every template of the document, inline ones too."""
        return tuple(self._templates())

    def _templates(self) -> Iterator[Template]:
        waiting = [(part, part.at("name").text) for part in self.spec.at("templates").items()]
        while waiting:
            part, name = waiting.pop(0)
            template = Template(self, part, name)
            yield template
            for task in template.tasks():
                if task.at("inline").exists:
                    waiting.append((task.at("inline"), task.at("name").text))

    @property
    def pods(self) -> Iterator[Template]:
        """The templates that are carried out by pods."""
        return (template for template in self.templates if template.runs_pod)

    @property
    def runs_itself(self) -> bool:
        """Whether it says what is run, so that nobody else's spec surrounds its templates."""
        return self.spec.at("entrypoint").exists and not self.refers

    @property
    def refers(self) -> bool:
        """Whether its spec is completed by a WorkflowTemplate that stands elsewhere."""
        return self.spec.at("workflowTemplateRef").exists

    @property
    def exit_templates(self) -> frozenset[str]:
        """The templates that run when the workflow ends."""
        hooks = self.spec.at("hooks", "exit", "template").text
        return frozenset({self.spec.at("onExit").text, hooks} - {""})
