"""A backoff that has nothing to multiply."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.policies import retries
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import ARGO

__all__ = ["RULE"]


def _check(manifest: Manifest) -> Iterator[Hit]:
    for template, retry in retries(manifest):
        if retry.at("backoff").exists and not retry.at("backoff", "duration").text:
            message = "the backoff has no duration, which is an error at the first retry"
            yield Hit(retry.at("backoff"), message, template.name, key=True)


RULE = Rule(
    name="backoff-without-duration",
    severity=Severity.ERROR,
    summary="a backoff without duration fails the step at its first retry",
    why="""\
`backoff` needs `duration`, the wait before the first retry. Without it Argo ends the step with
"no base duration specified for retryStrategy" when the first attempt has died; nothing says so
before.""",
    fix="add a duration, such as duration: 5s",
    sources=(f"{ARGO}/workflow/controller/operator.go#L1106-L1130",),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  templates:
    - name: train
      retryStrategy:
        limit: "10"
        retryPolicy: Always
        backoff: {factor: "2", cap: 60s}  # found
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
      retryStrategy:
        limit: "10"
        retryPolicy: Always
        backoff: {duration: 5s, factor: "2", cap: 60s}
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
""",
    argo=_check,
)
