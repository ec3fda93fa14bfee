"""The policy that reads as if it covered lost nodes."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.policies import policies
from chaosml.lint.rule import Hit, Rule, Set, Severity
from chaosml.lint.sources import ARGO, ARGO_ISSUES

__all__ = ["RULE"]


def _check(manifest: Manifest) -> Iterator[Hit]:
    for template, retry in policies(manifest, "OnTransientError"):
        policy = retry.at("retryPolicy")
        message = "retryPolicy OnTransientError retries no dead pod: no such message is in its list"
        yield Hit(policy, message, template.name, Set(policy, "Always"))


RULE = Rule(
    name="retry-transient",
    severity=Severity.ERROR,
    summary="OnTransientError retries neither a deleted nor a killed pod",
    why="""\
`OnTransientError` compares the message of the attempt with a list of network errors, such as `i/o
timeout` or `connection refused`. A dead pod's messages are `pod deleted` and `main: Error (exit
code 143)`: neither is in it. What the program writes to stderr is not looked at. Only the
variable `TRANSIENT_ERROR_PATTERN` of the controller adds to the list, which a workflow cannot
know.""",
    fix="write retryPolicy: Always",
    sources=(
        f"{ARGO}/util/errors/errors.go#L38-L170",
        f"{ARGO}/workflow/controller/operator.go#L1162",
        f"{ARGO_ISSUES}/9880",
    ),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  templates:
    - name: train
      retryStrategy: {limit: "3", retryPolicy: OnTransientError}  # found
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
      retryStrategy: {limit: "3", retryPolicy: Always}
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
""",
    fixable=True,
    argo=_check,
)
