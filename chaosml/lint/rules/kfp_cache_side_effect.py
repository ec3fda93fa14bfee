"""A cached task that is run for what it does."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.identities import changes_the_world
from chaosml.lint.kubeflow import Package
from chaosml.lint.rule import Hit, Rule, Set, Severity
from chaosml.lint.sources import KFP

__all__ = ["RULE"]


def _check(package: Package) -> Iterator[Hit]:
    for task in package.steps:
        if task.is_cached and changes_the_world(task.name):
            enabled = task.part.at("cachingOptions", "enableCache")
            yield Hit(
                enabled,
                "is cached although it is run for its effect",
                task.name,
                Set(enabled, False),
            )


RULE = Rule(
    name="kfp-cache-side-effect",
    severity=Severity.ERROR,
    summary="a cached task with an effect outside does nothing on a hit",
    why="""\
Kubeflow Pipelines caches every task unless told otherwise. The key is a fingerprint of inputs,
outputs, image and command; on a hit the container is not run, the task is green, and nothing was
registered, deployed or sent. What became of the former effect is not looked at, not even whether
its artifact is still there. The rule goes by the task's name: register, publish, promote, deploy,
notify, send, upload and the like.""",
    fix="call .set_caching_options(False) on the task",
    sources=(
        f"{KFP}/backend/src/v2/cacheutils/cache.go",
        "https://github.com/kubeflow/pipelines/issues/7939",
    ),
    bad="""\
components:
  comp-train:
    executorLabel: exec-train
deploymentSpec:
  executors:
    exec-train:
      container: {image: "trainer@sha256:0f1e", command: [python, register.py]}
pipelineInfo: {name: training}
root:
  dag:
    tasks:
      register-model:
        cachingOptions:
          enableCache: true  # found
        retryPolicy: {maxRetryCount: 10}
        componentRef: {name: comp-train}
        taskInfo: {name: register-model}
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
      container: {image: "trainer@sha256:0f1e", command: [python, register.py]}
pipelineInfo: {name: training}
root:
  dag:
    tasks:
      register-model:
        cachingOptions:
          enableCache: false
        retryPolicy: {maxRetryCount: 10}
        componentRef: {name: comp-train}
        taskInfo: {name: register-model}
schemaVersion: 2.1.0
sdkVersion: kfp-2.14.6
""",
    fixable=True,
    kubeflow=_check,
)
