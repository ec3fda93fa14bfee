"""A condition on the status that forgets one of the two bad ones."""

from __future__ import annotations

import re
from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.part import Part
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import ARGO, SURVEY

__all__ = ["RULE"]

_IS_FAILED = re.compile(
    r"(?:workflow|(?:tasks|steps)\.[\w-]+|(?:tasks|steps)\[['\"][\w-]+['\"]\])\.status"
    r"(?:\s*\}\})?['\"]?\s*==\s*['\"]?Failed\b"
)
_ERROR = re.compile(r"==\s*['\"]?Error\b")


def _check(manifest: Manifest) -> Iterator[Hit]:
    for name, condition in _conditions(manifest):
        if _IS_FAILED.search(condition.text) and not _ERROR.search(condition.text):
            message = "asks for the status Failed; after a deleted pod it is Error"
            yield Hit(condition, message, name)


def _conditions(manifest: Manifest) -> Iterator[tuple[str, Part]]:
    hooks = [manifest.spec.at("hooks")]
    for template in manifest.templates:
        for task in template.tasks():
            yield task.at("name").text, task.at("when")
            hooks.append(task.at("hooks"))
    for mapping in hooks:
        for name, hook in mapping.entries():
            yield name, hook.at("expression")


RULE = Rule(
    name="status-misses-error",
    severity=Severity.WARNING,
    summary="a condition on the status Failed misses Error",
    why="""\
A dag in which a pod was deleted ends with `Error`, and so does the workflow; a list of steps ends
with `Failed` either way. An exit handler with `when: "{{workflow.status}} == Failed"` therefore
says nothing about just those workflows that lost a node.""",
    fix="compare with both, or ask for != Succeeded",
    sources=(f"{ARGO}/workflow/controller/dag.go#L140-L246", SURVEY),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  onExit: report
  templates:
    - name: train
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
    - name: report
      steps:
        - - name: alarm
            template: alarm
            when: "{{workflow.status}} == Failed"  # found
    - name: alarm
      container: {image: "trainer@sha256:0f1e", command: [python, alarm.py]}
""",
    good="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  onExit: report
  templates:
    - name: train
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
    - name: report
      steps:
        - - name: alarm
            template: alarm
            when: "{{workflow.status}} != Succeeded"
    - name: alarm
      container: {image: "trainer@sha256:0f1e", command: [python, alarm.py]}
""",
    argo=_check,
)
