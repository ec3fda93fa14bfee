"""The policy that leaves out what Argo shows as `Error`: the deleted pod."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.policies import policies
from chaosml.lint.rule import Add, Hit, Rule, Set, Severity
from chaosml.lint.sources import ARGO, ARGO_ISSUES, SURVEY

__all__ = ["RULE"]


def _check(manifest: Manifest) -> Iterator[Hit]:
    for template, retry in policies(manifest, "OnFailure"):
        policy = retry.at("retryPolicy")
        if policy.exists:
            message = "retryPolicy OnFailure does not retry a deleted pod, which is Error"
            yield Hit(policy, message, template.name, Set(policy, "Always"))
        else:
            message = (
                "no retryPolicy means OnFailure, which does not retry a deleted pod: that is Error"
            )
            yield Hit(retry.own, message, template.name, Add(retry.own, "retryPolicy", "Always"))


RULE = Rule(
    name="retry-misses-error",
    severity=Severity.ERROR,
    summary="OnFailure, the default policy, does not retry a deleted pod",
    why="""\
A pod that is deleted with its node is gone when Argo looks: the attempt is `Error`, "pod
deleted". `retryPolicy: OnFailure` retries `Failed` alone, and it is the default as long as there
is no `expression`. With Argo's default settings 159 of 160 graceful deletions and evictions of a
pod that had run for a while ended so in our survey. `limit` says how often, not when.""",
    fix="write retryPolicy: Always",
    sources=(
        f"{ARGO}/workflow/controller/operator.go#L1341",
        f"{ARGO}/pkg/apis/workflow/v1alpha1/workflow_types.go#L2391-L2404",
        f"{ARGO_ISSUES}/2901",
        SURVEY,
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
        limit: "10"  # found
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
    - name: evaluate
      retryStrategy:
        limit: "10"
        retryPolicy: OnFailure  # found
      container: {image: "trainer@sha256:0f1e", command: [python, evaluate.py]}
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
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
""",
    fixable=True,
    argo=_check,
)
