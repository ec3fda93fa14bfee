"""A Kubeflow task that nobody tries again."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.kubeflow import Package
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import KFP, SURVEY

__all__ = ["RULE"]


def _check(package: Package) -> Iterator[Hit]:
    for task in package.steps:
        if not task.part.at("retryPolicy").exists:
            message = "no set_retry: the task ends the pipeline when its pod dies"
            yield Hit(task.part, message, task.name, key=True)


RULE = Rule(
    name="kfp-retry-missing",
    severity=Severity.ERROR,
    summary="a task without set_retry ends the pipeline when its pod dies",
    why="""\
Without `set_retry` the backend gives the task no `retryStrategy`, and the death of its pod is the
end of the run. (What `set_retry` covers and what not is told by `kfp-retry-misses-error`.)""",
    fix="call .set_retry(num_retries=10, backoff_max_duration=…) on the task",
    sources=(
        f"{KFP}/backend/src/v2/compiler/argocompiler/container.go",
        SURVEY,
    ),
    bad="""\
components:
  comp-train:
    executorLabel: exec-train
deploymentSpec:
  executors:
    exec-train:
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
pipelineInfo: {name: training}
root:
  dag:
    tasks:
      train:  # found
        cachingOptions: {enableCache: false}
        componentRef: {name: comp-train}
        taskInfo: {name: train}
schemaVersion: 2.1.0
sdkVersion: kfp-2.14.6
""",
    good="""\
components:
  comp-train:
    executorLabel: exec-train
deploymentSpec:
  executors:
    exec-train:
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
pipelineInfo: {name: training}
root:
  dag:
    tasks:
      train:
        cachingOptions: {enableCache: false}
        retryPolicy: {maxRetryCount: 10, backoffDuration: 5s}
        componentRef: {name: comp-train}
        taskInfo: {name: train}
schemaVersion: 2.1.0
sdkVersion: kfp-2.14.6
""",
    kubeflow=_check,
)
