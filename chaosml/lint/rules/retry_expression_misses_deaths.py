"""A retry condition that says no to a dead pod."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.policies import retries
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import ARGO, SURVEY
from chaosml.workflow.expression import Expression, ExpressionError, parse

__all__ = ["RULE"]

_DEATHS = (
    ("a deleted pod", "Error", "-1", "pod deleted"),
    ("a pod seen to end with 143", "Failed", "143", "main: Error (exit code 143)"),
    ("a pod killed with 137", "Failed", "137", "main: Error (exit code 137)"),
    ("a pod of a node that came back, 255", "Failed", "255", "main: Unknown (exit code 255)"),
)


def _check(manifest: Manifest) -> Iterator[Hit]:
    for template, retry in retries(manifest):
        expression = retry.at("expression")
        if not expression.text or "{{" in expression.text:
            continue
        try:
            message = _judge(parse(expression.text.strip()))
        except ExpressionError:
            # Argo's language has more functions than ours: what we cannot read we do not judge.
            continue
        if message:
            yield Hit(expression, message, template.name)


def _judge(expression: Expression) -> str | None:
    missed = []
    for name, status, exit_code, said in _DEATHS:
        last = {"status": status, "exitCode": exit_code, "message": said, "duration": "600"}
        try:
            if not expression.holds({"retries": "0", "lastRetry": last}):
                missed.append(name)
        except ExpressionError as error:
            return f"the expression fails for {name}: {error}"
    return f"the expression does not retry {'; '.join(missed)}" if missed else None


RULE = Rule(
    name="retry-expression-misses-deaths",
    severity=Severity.ERROR,
    summary="a retry expression that is false for some of the ways in which pods die",
    why="""\
The rule evaluates the `expression` for the deaths that real clusters showed: `Error` with "pod
deleted" and no exit code ("-1"), `Failed` with 143, with 137, and with 255 for a node that came
back. Policy and expression must both hold, so one `false` ends the workflow. All of `lastRetry.*`
and `retries` are text: `lastRetry.exitCode == 143` is never true, and `lastRetry.exitCode > 1`
fails.

Expressions with functions that we do not know are not judged.""",
    fix='exclude what no retry can mend, such as lastRetry.exitCode not in ["2", "64"]',
    sources=(
        f"{ARGO}/workflow/controller/operator.go#L2149-L2171",
        f"{ARGO}/docs/retries.md",
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
        retryPolicy: Always
        # Misses 255, with which a container ends whose node went and came back.
        expression: 'lastRetry.exitCode in ["-1", "137", "143"]'  # found
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
        expression: 'lastRetry.exitCode not in ["2", "64"]'
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
""",
    argo=_check,
)
