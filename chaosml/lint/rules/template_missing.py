"""A task without anything to run."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.advice import near_miss
from chaosml.lint.argo import Manifest
from chaosml.lint.part import Part
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import ARGO

__all__ = ["RULE"]


def _check(manifest: Manifest) -> Iterator[Hit]:
    if manifest.refers:
        return
    names = {template.name for template in manifest.templates}
    for name, place in _references(manifest):
        if "{{" not in place.text and place.text not in names:
            yield Hit(
                place, f'no template is called "{place.text}"{near_miss(place.text, names)}', name
            )


def _references(manifest: Manifest) -> Iterator[tuple[str, Part]]:
    hooks = [("", manifest.spec.at("hooks"))]
    for template in manifest.templates:
        for task in template.tasks():
            name = task.at("name").text
            hooks.append((name, task.at("hooks")))
            if task.at("template").text:
                yield name, task.at("template")
    for name, mapping in hooks:
        for _, hook in mapping.entries():
            if hook.at("template").text:
                yield name, hook.at("template")


RULE = Rule(
    name="template-missing",
    severity=Severity.ERROR,
    summary="a task, step or hook names a template that is not there",
    why="""\
Argo refuses such a workflow when it is submitted; a WorkflowTemplate may be stored and fail
later. Templates of other documents are named by `templateRef`.""",
    fix="name one of the templates, or refer to another document by templateRef",
    sources=(f"{ARGO}/workflow/validate/validate.go#L153",),
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
          - {name: validate, template: run-validation}  # found
    - name: validation
      container: {image: "trainer@sha256:0f1e", command: [python, validate.py]}
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
          - {name: validate, template: validation}
    - name: validation
      container: {image: "trainer@sha256:0f1e", command: [python, validate.py]}
""",
    argo=_check,
)
