"""A task that waits for one that is not there."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from chaosml.lint.advice import near_miss
from chaosml.lint.argo import Manifest
from chaosml.lint.part import Part
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import ARGO
from chaosml.workflow.expression import ExpressionError, Flavour, parse

__all__ = ["RULE"]


def _check(manifest: Manifest) -> Iterator[Hit]:
    for template in manifest.templates:
        tasks = list(template.part.at("dag", "tasks").items())
        names = {task.at("name").text for task in tasks}
        for task in tasks:
            for place, message in _problems(task, names):
                yield Hit(place, message, task.at("name").text)


def _problems(task: Part, names: Collection[str]) -> Iterator[tuple[Part, str]]:
    for dependency in task.at("dependencies").items():
        if dependency.text not in names:
            yield dependency, _unknown(dependency.text, names)
    depends = task.at("depends")
    if not depends.text or "{{" in depends.text:
        return
    try:
        references = parse(depends.text, Flavour.DEPENDS).references
    except ExpressionError as error:
        yield depends, f"depends cannot be read: {error}"
        return
    for name in references:
        if name not in names:
            yield depends, _unknown(name, names)


def _unknown(name: str, names: Collection[str]) -> str:
    return f'no task of this dag is called "{name}"{near_miss(name, names)}'


RULE = Rule(
    name="dependency-missing",
    severity=Severity.ERROR,
    summary="a task depends on one that its dag does not have",
    why="""\
Argo refuses such a dag when it is submitted; in a WorkflowTemplate it shows when the first
workflow that refers to it is run.""",
    fix="name a task of the same dag",
    sources=(f"{ARGO}/workflow/validate/validate.go#L1462-L1475",),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: pipeline
  templates:
    - name: pipeline
      dag:
        tasks:
          - {name: prepare, template: step}
          - {name: train, template: step, dependencies: [prepaer]}  # found
          - {name: register, template: step, depends: trian.Succeeded}  # found
    - name: step
      container: {image: "trainer@sha256:0f1e", command: [python, step.py]}
""",
    good="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: pipeline
  templates:
    - name: pipeline
      dag:
        tasks:
          - {name: prepare, template: step}
          - {name: train, template: step, depends: prepare.Succeeded}
    - name: step
      container: {image: "trainer@sha256:0f1e", command: [python, step.py]}
""",
    argo=_check,
)
