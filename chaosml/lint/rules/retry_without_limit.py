"""Retries that nothing ends."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.policies import retries
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import ARGO

__all__ = ["RULE"]


def _check(manifest: Manifest) -> Iterator[Hit]:
    for template, retry in retries(manifest):
        if retry.at("limit").exists or retry.at("expression").exists or retry.at("backoff").exists:
            continue
        message = "no limit and no expression: what fails for good is retried for ever"
        yield Hit(retry.own, message, template.name)


RULE = Rule(
    name="retry-without-limit",
    severity=Severity.WARNING,
    summary="retries without a limit repeat what fails for good",
    why="""\
Without `limit` there is no last attempt. A wrong argument or bad data then starts a pod after the
other, at once, until somebody looks. An `expression` can take the place of the limit, where it
excludes what no retry can mend.""",
    fix='add a limit, such as limit: "10"',
    sources=(f"{ARGO}/pkg/apis/workflow/v1alpha1/workflow_types.go#L2373-L2375",),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  templates:
    - name: train
      retryStrategy: {retryPolicy: Always}  # found
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
