"""A step that nobody tries again."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import ARGO_DOCS, SURVEY

__all__ = ["RULE"]


def _check(manifest: Manifest) -> Iterator[Hit]:
    for template in manifest.pods:
        if template.retry is None:
            severity = None if manifest.runs_itself else Severity.NOTE
            yield Hit(template.part, "nothing is retried", template.name, severity=severity)


RULE = Rule(
    name="retry-missing",
    severity=Severity.ERROR,
    summary="a step without a retryStrategy ends the workflow when its pod dies",
    why="""\
Without a `retryStrategy`, on the template, in `templateDefaults` or in the spec, Argo runs a step
once. Its pod is deleted with its node, the step is `Error` ("pod deleted"), and so is the
workflow. Only a pod object that vanishes without a grace period is created anew for the same
attempt; that is a race, nothing to count on. Exit handlers need retries, too: they run on the
same nodes.

In a template without an entrypoint of its own the finding is a note: whoever refers to it may
bring a `retryStrategy` for all templates.""",
    fix="give it a retryStrategy with limit and retryPolicy: Always",
    sources=(SURVEY, f"{ARGO_DOCS}/retries/"),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  templates:
    - name: train  # found
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
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
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
""",
    argo=_check,
)
