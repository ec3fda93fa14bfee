"""A task that waits for a failure that shows as an error."""

from __future__ import annotations

import re
from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.rule import Hit, Rule, Severity, named
from chaosml.lint.sources import ARGO, SURVEY

__all__ = ["RULE"]

_RESULT = re.compile(r"([\w-]+)\.(Failed|Errored|AllFailed)\b")


def _check(manifest: Manifest) -> Iterator[Hit]:
    for template in manifest.templates:
        for task in template.tasks():
            depends = task.at("depends")
            results = set(_RESULT.findall(depends.text))
            errored = {name for name, result in results if result == "Errored"}
            failed = {name for name, result in results if result == "Failed"} - errored
            if failed:
                message = f"waits for {named(sorted(failed))} to be Failed; deleted, it is Errored"
                yield Hit(depends, message, task.at("name").text)


RULE = Rule(
    name="depends-misses-errored",
    severity=Severity.WARNING,
    summary="depends: A.Failed is not fulfilled when A's pod was deleted",
    why="""\
In `depends` the result `Failed` is the phase `Failed` alone. A task whose pod was deleted is
`Errored`, so that what should clean up or report after a failure is Omitted. `AllFailed` of a
loop has no counterpart: one deleted pod makes it false.""",
    fix="write (A.Failed || A.Errored)",
    sources=(f"{ARGO}/workflow/controller/dag.go#L971-L1040", SURVEY),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: pipeline
  templates:
    - name: pipeline
      dag:
        tasks:
          - {name: train, template: train}
          - {name: alarm, template: alarm, depends: train.Failed}  # found
    - name: train
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
    - name: alarm
      container: {image: "trainer@sha256:0f1e", command: [python, alarm.py]}
""",
    good="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: pipeline
  templates:
    - name: pipeline
      dag:
        tasks:
          - {name: train, template: train}
          - {name: alarm, template: alarm, depends: train.Failed || train.Errored}
    - name: train
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
    - name: alarm
      container: {image: "trainer@sha256:0f1e", command: [python, alarm.py]}
""",
    argo=_check,
)
