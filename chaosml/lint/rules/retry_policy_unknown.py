"""A policy that Argo does not know."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.document import describe, nearest
from chaosml.lint.argo import Manifest
from chaosml.lint.policies import POLICIES, retries
from chaosml.lint.rule import Hit, Rule, Set, Severity
from chaosml.lint.sources import ARGO

__all__ = ["RULE"]


def _check(manifest: Manifest) -> Iterator[Hit]:
    for template, retry in retries(manifest):
        policy = retry.at("retryPolicy")
        if not policy.exists or policy.value in POLICIES:
            continue
        meant = nearest(policy.text, POLICIES)
        message = f"{describe(policy.value)} is no retryPolicy; there are {', '.join(POLICIES)}"
        yield Hit(policy, message, template.name, Set(policy, meant) if meant else None)


RULE = Rule(
    name="retry-policy-unknown",
    severity=Severity.ERROR,
    summary="a retryPolicy that Argo does not know fails the step",
    why="""\
There are four policies, written exactly so: `Always`, `OnFailure`, `OnError`, `OnTransientError`.
With any other word Argo ends the step with `Error`, "X is not a valid RetryPolicy", at the moment
when the retry was needed; a cluster whose CRD carries the full schema refuses the document
before.""",
    fix="write Always, or take the retryStrategy away where nothing may be retried",
    sources=(
        f"{ARGO}/workflow/controller/operator.go#L1170",
        f"{ARGO}/pkg/apis/workflow/v1alpha1/workflow_types.go#L2338-L2343",
    ),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  templates:
    - name: train
      retryStrategy:
        limit: "3"
        retryPolicy: always  # found
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
        limit: "3"
        retryPolicy: Always
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
""",
    fixable=True,
    argo=_check,
)
