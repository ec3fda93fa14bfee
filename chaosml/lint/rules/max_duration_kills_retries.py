"""A limit of time that counts what the attempts do, not what they wait."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.argo import Manifest, Retry
from chaosml.lint.kubeflow import Package
from chaosml.lint.policies import retries
from chaosml.lint.rule import Hit, Remove, Rule, Severity
from chaosml.lint.sources import ARGO, ARGO_ISSUES, KFP
from chaosml.lint.waits import as_words, duration_s, waits_s

__all__ = ["RULE"]


def _check(manifest: Manifest) -> Iterator[Hit]:
    for template, retry in retries(manifest):
        longest = retry.at("backoff", "maxDuration")
        seconds = duration_s(longest)
        if seconds == 0 or not longest.text:
            continue
        # Without a limit it is the only thing that ends the retries.
        edit = Remove(longest) if retry.limit else None
        yield Hit(longest, _message(retry, longest.text, seconds), template.name, edit)


def _message(retry: Retry, text: str, seconds: float | None) -> str:
    first = next(waits_s(retry), 0.0)
    if seconds is not None and first > seconds:
        return f"maxDuration {text} is over before the first wait of {as_words(first)}: no retry"
    return (
        f"maxDuration {text} counts from the start of the first attempt, its work included, and "
        "then kills the attempt that runs"
    )


def _check_kubeflow(package: Package) -> Iterator[Hit]:
    for task in package.steps:
        longest = task.part.at("retryPolicy", "backoffMaxDuration")
        if longest.text and duration_s(longest) != 0:
            message = (
                f"backoffMaxDuration {longest.text} becomes Argo's maxDuration: no retry later "
                f"than {longest.text} after the start of the first attempt"
            )
            yield Hit(longest, message, task.name)


RULE = Rule(
    name="max-duration-kills-retries",
    severity=Severity.WARNING,
    summary="maxDuration forbids retries of long steps and kills the attempt that runs",
    why="""\
`backoff.maxDuration` looks like a limit for waiting. It is measured by the wall clock from the
start of the *first* attempt, run time included: a training that was preempted after an hour is
not retried under `maxDuration: 30m` ("Max duration limit exceeded"). It is also the deadline of
each retry: Argo kills the attempt that is running when it is over. Only the first attempt runs as
long as it likes.

`kfp` writes `backoffMaxDuration: 3600s` by itself wherever `set_retry` is called without it, so
that no task is retried that has run for an hour.""",
    fix="take it out and bound the retries by limit, the waits by cap; in kfp set "
    "backoff_max_duration far above the whole training",
    sources=(
        f"{ARGO}/workflow/controller/operator.go#L1089-L1147",
        f"{ARGO}/workflow/executor/executor.go#L1473-L1497",
        f"{ARGO_ISSUES}/13044",
        f"{KFP}/sdk/python/kfp/dsl/structures.py#L376-L392",
        "https://github.com/kubeflow/pipelines/pull/13452",
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
          duration: 10s
          factor: "2"
          maxDuration: 6m  # found
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
        backoff: {duration: 10s, factor: "2", cap: 60s}
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
""",
    fixable=True,
    argo=_check,
    kubeflow=_check_kubeflow,
)
