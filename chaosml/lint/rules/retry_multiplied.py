"""Retries inside retries."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.argo import COMPOSITE, Manifest
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import ARGO

__all__ = ["RULE"]


def _check(manifest: Manifest) -> Iterator[Hit]:
    leaves = [template for template in manifest.pods if template.retry is not None]
    for template in manifest.templates:
        if template.kind in COMPOSITE and template.retry is not None and leaves:
            message = (
                "retries a whole dag or list of steps around steps that are retried themselves: "
                "attempts multiply, and what succeeded runs again"
            )
            yield Hit(template.retry.own, message, template.name)


RULE = Rule(
    name="retry-multiplied",
    severity=Severity.WARNING,
    summary="a retried dag around retried steps multiplies attempts and repeats what succeeded",
    why="""\
A `retryStrategy` of the spec or of `templateDefaults` is for every template, also for those of
kind `dag` and `steps`. A step with ten retries inside a dag with ten retries can run 121 times,
and each retry of the dag starts its finished tasks anew, registering and publishing ones among
them.""",
    fix="give the retryStrategy to the templates that run pods, and none to dag and steps",
    sources=(f"{ARGO}/workflow/controller/operator.go#L4475-L4480",),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: pipeline
  retryStrategy: {limit: "10", retryPolicy: Always}  # found
  templates:
    - name: pipeline
      dag:
        tasks:
          - {name: train, template: train}
          - {name: register, template: register, dependencies: [train]}
    - name: train
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
    - name: register
      container: {image: "trainer@sha256:0f1e", command: [python, register.py]}
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
          - {name: train, template: train}
          - {name: register, template: register, dependencies: [train]}
    - name: train
      retryStrategy: &retries {limit: "10", retryPolicy: Always}
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
    - name: register
      retryStrategy: *retries
      container: {image: "trainer@sha256:0f1e", command: [python, register.py]}
""",
    argo=_check,
)
