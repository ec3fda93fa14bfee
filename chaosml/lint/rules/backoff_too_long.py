"""A backoff that doubles until nobody waits for it."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.policies import retries
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import ARGO
from chaosml.lint.waits import as_words, waits_s

__all__ = ["RULE"]

_LONG_S = 3600.0


def _check(manifest: Manifest) -> Iterator[Hit]:
    for template, retry in retries(manifest):
        if retry.at("backoff", "maxDuration").text:
            continue
        waits = list(waits_s(retry))
        if waits and waits[-1] > _LONG_S:
            message = f"the wait before the last of {len(waits)} retries is {as_words(waits[-1])}"
            yield Hit(retry.at("backoff"), message, template.name, key=True)


RULE = Rule(
    name="backoff-too-long",
    severity=Severity.WARNING,
    summary="a backoff without cap grows beyond an hour",
    why="""\
The n-th retry waits `duration` times `factor` to the power of n-1. With `duration: 1m`, `factor:
2` and ten retries the last wait is 8.5 hours. A preemption is no sign of overload: the tenth of a
long training is to be retried as quickly as the first. `cap` ends the growth (Argo 3.7 and later;
older ones ignore it).""",
    fix='add a cap, such as cap: "60"',
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
        backoff: {duration: 1m, factor: "2"}  # found
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
        backoff: {duration: 1m, factor: "2", cap: 10m}
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
""",
    argo=_check,
)
