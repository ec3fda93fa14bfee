"""A workflow that ends before it can retry."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.argo import Manifest, Template
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import ARGO
from chaosml.lint.waits import as_words, duration_s, waits_s

__all__ = ["RULE"]


def _check(manifest: Manifest) -> Iterator[Hit]:
    deadline = manifest.spec.at("activeDeadlineSeconds")
    limit_s = deadline.number
    if limit_s is None:
        return
    for template in manifest.pods:
        needed_s = _needed_s(template)
        if needed_s > limit_s:
            message = (
                f"activeDeadlineSeconds ends the workflow after {as_words(limit_s)}; one retry "
                f"within its own limits can take {as_words(needed_s)}"
            )
            yield Hit(deadline, message, template.name)


def _needed_s(template: Template) -> float:
    """Return how long two attempts and what is waited between them may take; 0 if unlimited."""
    if template.retry is None or template.retry.limit == 0:
        return 0.0
    limits = (duration_s(template.setting(key)) for key in ("activeDeadlineSeconds", "timeout"))
    attempt_s = min((one for one in limits if one), default=0.0)
    return 2 * attempt_s + next(waits_s(template.retry), 0.0)


RULE = Rule(
    name="deadline-below-retries",
    severity=Severity.ERROR,
    summary="activeDeadlineSeconds of the workflow leaves no room for a retry",
    why="""\
The deadline of the workflow counts from its start, whatever has happened. When it is over,
nothing is retried any more and what runs fails with "Step exceeded its deadline". If one step may
use two thirds of it, its first preemption is its last. The rule compares it with twice the limit
that the step has for itself (`activeDeadlineSeconds` or `timeout`, which each attempt gets anew)
and the first backoff.""",
    fix="raise the workflow's deadline above all attempts that are to be survived",
    sources=(
        f"{ARGO}/workflow/controller/operator.go#L1066",
        f"{ARGO}/workflow/controller/exec_control.go#L57-L66",
    ),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  activeDeadlineSeconds: 7200  # found
  templates:
    - name: train
      activeDeadlineSeconds: 5400
      retryStrategy: {limit: "10", retryPolicy: Always}
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
""",
    good="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  activeDeadlineSeconds: 86400
  templates:
    - name: train
      activeDeadlineSeconds: 5400
      retryStrategy: {limit: "10", retryPolicy: Always}
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
""",
    argo=_check,
)
