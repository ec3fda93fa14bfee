"""A backoff that Argo does not read."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.policies import retries
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import ARGO, ARGO_ISSUES

__all__ = ["RULE"]


def _check(manifest: Manifest) -> Iterator[Hit]:
    for template, retry in retries(manifest):
        if retry.at("backoff").exists and not retry.at("limit").exists:
            message = "without a limit Argo ignores the backoff and retries at once, without end"
            yield Hit(retry.at("backoff"), message, template.name, key=True)


RULE = Rule(
    name="backoff-without-limit",
    severity=Severity.ERROR,
    summary="without a limit the backoff is ignored",
    why="""\
Argo waits between attempts only if `limit` is set and not yet reached. Without it a step that
cannot succeed is started again at once, for ever, and pays for a pod each time.""",
    fix='add a limit, such as limit: "10"',
    sources=(f"{ARGO}/workflow/controller/operator.go#L1140", f"{ARGO_ISSUES}/9425"),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  templates:
    - name: train
      retryStrategy:
        retryPolicy: Always
        backoff: {duration: "5", factor: "2", cap: "60"}  # found
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
        backoff: {duration: "5", factor: "2", cap: "60"}
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
""",
    argo=_check,
)
