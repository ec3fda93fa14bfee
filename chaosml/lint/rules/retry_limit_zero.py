"""A retry strategy that allows no retry."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.policies import retries
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import ARGO

__all__ = ["RULE"]


def _check(manifest: Manifest) -> Iterator[Hit]:
    for template, retry in retries(manifest):
        if retry.limit == 0:
            message = "limit 0 allows one attempt and no retry"
            yield Hit(retry.at("limit"), message, template.name)


RULE = Rule(
    name="retry-limit-zero",
    severity=Severity.ERROR,
    summary="limit counts retries, so 0 means none",
    why="""\
`limit` is the number of retries after the first attempt. With 0 the step ends at its first death
with "No more retries left".""",
    fix="give as many retries as preemptions are to be survived, such as 10",
    sources=(f"{ARGO}/workflow/controller/operator.go#L1188",),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  templates:
    - name: train
      retryStrategy: {limit: 0, retryPolicy: Always}  # found
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
      retryStrategy: {limit: 10, retryPolicy: Always}
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
""",
    argo=_check,
)
