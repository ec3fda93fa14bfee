"""Retries that stay in the pod that dies."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import ARGO_DOCS, ARGO_ISSUES

__all__ = ["RULE"]


def _check(manifest: Manifest) -> Iterator[Hit]:
    for template in manifest.templates:
        inside = template.part.at("containerSet", "retryStrategy")
        if inside.exists:
            message = "a containerSet's own retryStrategy restarts processes in the pod that died"
            yield Hit(inside, message, template.name, key=True)


RULE = Rule(
    name="container-set-retry",
    severity=Severity.WARNING,
    summary="the retryStrategy inside a containerSet does not outlive its pod",
    why="""\
`containerSet.retryStrategy` has `retries` and `duration` and starts the *process* again in the
same container. When the pod is deleted, nothing of it is left. An open bug makes it worse: with
these retries a workflow whose pod is deleted can stay Running for ever.""",
    fix="take it out and put a retryStrategy on the template",
    sources=(f"{ARGO_DOCS}/container-set-template/", f"{ARGO_ISSUES}/13951"),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  templates:
    - name: train
      containerSet:
        retryStrategy: {retries: "3"}  # found
        containers:
          - {name: main, image: "trainer@sha256:0f1e", command: [python, train.py]}
""",
    good="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  templates:
    - name: train
      retryStrategy: {limit: "10", retryPolicy: Always}
      containerSet:
        containers:
          - {name: main, image: "trainer@sha256:0f1e", command: [python, train.py]}
""",
    argo=_check,
)
