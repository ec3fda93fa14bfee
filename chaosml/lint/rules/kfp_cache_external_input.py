"""A cached task whose input is an address."""

from __future__ import annotations

import re
from collections.abc import Iterator

from chaosml.document import describe
from chaosml.lint.kubeflow import Package, Task
from chaosml.lint.part import Part
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import KFP

__all__ = ["RULE"]

_ADDRESS = re.compile(
    r"\s*((abfss?|bq|gs|hdfs|https?|jdbc|minio|mysql|postgres(ql)?|s3a?|wasbs?)[:+/]|select\s)",
    re.I,
)
_PINNED = re.compile(r"sha256|versionid=|@[0-9a-f]{7,}|[?&#]version=", re.I)


def _check(package: Package) -> Iterator[Hit]:
    for task in package.steps:
        for name, value in _inputs(package, task) if task.is_cached else ():
            if _ADDRESS.match(value.text) and not _PINNED.search(value.text):
                shown = describe(value.value)
                message = f"is cached by the address {shown} in {name}, not by what is there"
                yield Hit(value, message, task.name)


def _inputs(package: Package, task: Task) -> Iterator[tuple[str, Part]]:
    """Yield the inputs of a task whose values the package itself says."""
    for name, given in task.part.at("inputs", "parameters").entries():
        constant = given.at("runtimeValue", "constant")
        if constant.exists:
            yield name, constant
        declared = given.at("componentInputParameter").text
        default = package.spec.at(
            "root", "inputDefinitions", "parameters", declared, "defaultValue"
        )
        if declared and default.exists:
            yield name, default


RULE = Rule(
    name="kfp-cache-external-input",
    severity=Severity.WARNING,
    summary="a task cached by the address of its data is not run when the data change",
    why="""\
The cache key holds the *value* of each input. For a bucket path, a table or a query that is the
address: tomorrow's data under the same address give yesterday's result, and after a retry nobody
knows which data a model has seen. A default of the pipeline is judged the same.""",
    fix="pass the digest or version of the data as an input, or call .set_caching_options(False)",
    sources=(f"{KFP}/backend/src/v2/cacheutils/cache.go",),
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
        cachingOptions: {enableCache: true}
        inputs:
          parameters:
            data:
              runtimeValue: {constant: "s3://datasets/digits.csv"}  # found
        retryPolicy: {maxRetryCount: 10}
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
        cachingOptions: {enableCache: true}
        inputs:
          parameters:
            data:
              runtimeValue: {constant: "s3://datasets/digits.csv?versionId=3sL4kqtJlcpXroDTDmJ"}
        retryPolicy: {maxRetryCount: 10}
        componentRef: {name: comp-train}
        taskInfo: {name: train}
schemaVersion: 2.1.0
sdkVersion: kfp-2.14.6
""",
    kubeflow=_check,
)
