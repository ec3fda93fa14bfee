"""A workflow that begins nowhere."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.advice import near_miss
from chaosml.lint.argo import Manifest
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import ARGO

__all__ = ["RULE"]


def _check(manifest: Manifest) -> Iterator[Hit]:
    if manifest.refers:
        return
    names = {template.name for template in manifest.templates}
    entrypoint, handler = manifest.spec.at("entrypoint"), manifest.spec.at("onExit")
    if manifest.kind in ("CronWorkflow", "Workflow") and not entrypoint.exists:
        yield Hit(manifest.spec, "there is no entrypoint, so nothing is run")
    for place in (entrypoint, handler):
        if place.text and "{{" not in place.text and place.text not in names:
            yield Hit(place, f'no template is called "{place.text}"{near_miss(place.text, names)}')


RULE = Rule(
    name="entrypoint-missing",
    severity=Severity.ERROR,
    summary="the entrypoint or exit handler names no template",
    why="""\
`entrypoint` names the template that is run, `onExit` the one that runs at the end. Argo refuses a
workflow whose entrypoint is not there; with a WorkflowTemplate and a CronWorkflow it shows only
when something is submitted. Documents with `workflowTemplateRef` take theirs from elsewhere and
are not judged.""",
    fix="name one of the templates",
    sources=(f"{ARGO}/workflow/validate/validate.go#L153",),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: execute-pipeline  # found
  templates:
    - name: pipeline
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
""",
    good="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: pipeline
  templates:
    - name: pipeline
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
""",
    argo=_check,
)
