"""What set_retry of Kubeflow Pipelines does not retry."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.kubeflow import Package
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import KFP, SURVEY

__all__ = ["RULE"]


def _check(package: Package) -> Iterator[Hit]:
    for task in package.steps:
        policy = task.part.at("retryPolicy")
        if policy.exists:
            message = (
                "set_retry becomes Argo's policy OnFailure, which does not retry a deleted pod"
            )
            yield Hit(policy, message, task.name, key=True)


RULE = Rule(
    name="kfp-retry-misses-error",
    severity=Severity.WARNING,
    summary="set_retry compiles to OnFailure, under which a deleted pod is not retried",
    why="""\
The backend turns `retryPolicy` of a package into a `retryStrategy` with a limit and a backoff,
without `retryPolicy` and without `expression`. That is `OnFailure`: a pod that Argo saw end with
143 is retried, a pod that was deleted (`Error`) is not. A package has no field for it, so it
cannot be mended in the file. The driver pod of a task is not retried at all. Where the cluster is
known to cover it, suppress the rule and say how.""",
    fix="run the task on nodes that are not interruptible, or let the controller capture the "
    "status of pods: ARGO_POD_STATUS_CAPTURE_FINALIZER=true",
    sources=(
        f"{KFP}/backend/src/v2/compiler/argocompiler/container.go",
        "https://github.com/kubeflow/pipelines/pull/13386",
        "https://github.com/kubeflow/pipelines/issues/14266",
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
      train:
        cachingOptions: {enableCache: false}
        retryPolicy: {maxRetryCount: 10, backoffDuration: 5s}  # found
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
        # chaosml: ignore[kfp-retry-misses-error] we capture the status of pods
        retryPolicy: {maxRetryCount: 10, backoffDuration: 5s}
        componentRef: {name: comp-train}
        taskInfo: {name: train}
schemaVersion: 2.1.0
sdkVersion: kfp-2.14.6
""",
    kubeflow=_check,
)
