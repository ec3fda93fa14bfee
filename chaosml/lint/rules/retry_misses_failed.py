"""The policy that leaves out what Argo shows as `Failed`: the pod that was seen to end."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.policies import policies
from chaosml.lint.rule import Hit, Rule, Set, Severity
from chaosml.lint.sources import ARGO, ARGO_ISSUES, SURVEY

__all__ = ["RULE"]


def _check(manifest: Manifest) -> Iterator[Hit]:
    for template, retry in policies(manifest, "OnError"):
        policy = retry.at("retryPolicy")
        message = "retryPolicy OnError does not retry a pod that Argo saw end, which is Failed"
        yield Hit(policy, message, template.name, Set(policy, "Always"))


RULE = Rule(
    name="retry-misses-failed",
    severity=Severity.ERROR,
    summary="OnError does not retry a pod that Argo saw end with 143, 137 or 255",
    why="""\
The same death shows in two ways. If the pod object is gone when Argo looks, the attempt is
`Error`; if Argo still sees the terminated pod, it is `Failed` with its exit code: 143 or 137
after a deletion, 137 after an out-of-memory kill, 255 when a node comes back. Which it is, is a
race; with `ARGO_POD_STATUS_CAPTURE_FINALIZER=true` it was `Failed` in 80 of 80 deletions and
evictions of programs that do not exit with 0. `OnError` retries the first alone.""",
    fix="write retryPolicy: Always",
    sources=(
        f"{ARGO}/workflow/controller/operator.go#L1162",
        f"{ARGO_ISSUES}/9880",
        f"{ARGO_ISSUES}/2881",
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
        limit: "10"
        retryPolicy: OnError  # found
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
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
""",
    fixable=True,
    argo=_check,
)
