"""A program that asks the attempt's number whether to restore."""

from __future__ import annotations

import re
from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.identities import told
from chaosml.lint.programs import shell_of
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import SURVEY

__all__ = ["RULE"]

_RETRIES = re.compile(r"\{\{=?\s*(retries|lastRetry\.\w+)\b")
_DECIDES = re.compile(
    r"(^|-)(is-)?(restart(ed)?|restore|resume|retry)(-from-checkpoint|-training)?$"
)
_CONDITION = re.compile(r"(?m)^.*(\bif\b|\btest\b|\[).*\{\{=?\s*retries\b.*$")


def _check(manifest: Manifest) -> Iterator[Hit]:
    message = "takes {{retries}} for a sign of a restart; a recreated pod has 0 again"
    for template, variable in told(manifest):
        if _RETRIES.search(variable.value) and _DECIDES.search(variable.name):
            yield Hit(variable.part, message, template.name)
    for template in manifest.templates:
        for container in template.containers:
            shell = shell_of(container)
            if shell is not None and _CONDITION.search(shell.text):
                yield Hit(shell.script, message, template.name)


RULE = Rule(
    name="retries-decides-restore",
    severity=Severity.ERROR,
    summary="{{retries}} is 0 again when the same attempt gets a new pod",
    why="""\
A pod whose object vanishes without a grace period, by a forced deletion or by garbage collection
after a node was lost, is created anew for the *same* attempt: no retry is consumed, `{{retries}}`
stays what it was. A trainer that restores only where it is greater than 0 begins at step 0. In
our survey this was the usual end of a forced deletion with Argo's default settings (58 of 60
settled trials), and of a lost node.""",
    fix="look for the checkpoint every time; whether there is one is the only sign that counts",
    sources=(
        SURVEY,
        "scenarios/pipelines/resilient-reads-retries.yaml: the defect, to run",
    ),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  templates:
    - name: train
      retryStrategy: {limit: "10", retryPolicy: Always}
      container:
        image: "trainer@sha256:0f1e"
        command: [python, train.py]
        args: ["--resume={{retries}}"]  # found
""",
    good="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  templates:
    - name: train
      retryStrategy: {limit: "10", retryPolicy: Always}
      container:
        image: "trainer@sha256:0f1e"
        command: [python, train.py]
        env:
          - {name: ATTEMPT, value: "{{retries}}"}
""",
    argo=_check,
)
