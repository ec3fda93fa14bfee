"""A factor that Argo cannot read."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from chaosml.document import describe
from chaosml.lint.argo import Manifest
from chaosml.lint.kubeflow import Package
from chaosml.lint.part import Part
from chaosml.lint.policies import retries
from chaosml.lint.rule import Hit, Rule, Set, Severity
from chaosml.lint.sources import ARGO_ISSUES, KFP

__all__ = ["RULE"]

_WHOLE = re.compile(r"[+-]?\d+")


def _check(manifest: Manifest) -> Iterator[Hit]:
    for template, retry in retries(manifest):
        factor = retry.at("backoff", "factor")
        above = _whole_above(factor)
        if above is None or _WHOLE.fullmatch(factor.text) or factor.value == above:
            continue
        message = f"factor {describe(factor.value)} is no whole number, so Argo refuses it"
        yield Hit(factor, message, template.name, Set(factor, str(above)))


def _check_kubeflow(package: Package) -> Iterator[Hit]:
    for task in package.tasks:
        factor = task.part.at("retryPolicy", "backoffFactor")
        above = _whole_above(factor)
        # The backend writes 2.0 as "2": only a fraction reaches Argo as one.
        if above is not None and float(factor.text) != above:
            message = f"backoffFactor {factor.text} reaches Argo as text that is no whole number"
            yield Hit(factor, message, task.name)


def _whole_above(factor: Part) -> int | None:
    """Return the next whole number; None where there is no finite number."""
    try:
        number = float(factor.text)
    except ValueError:
        return None
    return max(1, math.ceil(number)) if math.isfinite(number) else None


RULE = Rule(
    name="backoff-factor-not-whole",
    severity=Severity.ERROR,
    summary="backoff.factor must be a whole number",
    why="""\
`factor` is an integer or a text that holds one. A fraction such as `1.5` is refused when the
document is submitted; as text, `"1.5"` or `"2.0"`, it is refused at the moment of the first
retry, which then never comes. In a Kubeflow package the backend hands `backoffFactor` on as text,
so a fraction ends there, too.""",
    fix='take the next whole number: factor: "2", in kfp backoff_factor=2',
    sources=(
        f"{ARGO_ISSUES}/6454",
        f"{KFP}/backend/src/v2/compiler/argocompiler/container.go",
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
        backoff:
          duration: 5s
          factor: 1.5  # found
          cap: 60s
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
    fixable=True,
    argo=_check,
    kubeflow=_check_kubeflow,
)
