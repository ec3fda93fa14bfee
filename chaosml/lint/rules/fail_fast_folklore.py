"""A switch that switches nothing."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.rule import Hit, Remove, Rule, Severity
from chaosml.lint.sources import ARGO, ARGO_ISSUES

__all__ = ["RULE"]


def _check(manifest: Manifest) -> Iterator[Hit]:
    for template in manifest.templates:
        switch = template.part.at("dag", "failFast")
        if switch.exists:
            message = "dag.failFast stops no branch: running ones go on, ready ones are started"
            yield Hit(switch, message, template.name, Remove(switch))


RULE = Rule(
    name="fail-fast-folklore",
    severity=Severity.NOTE,
    summary="dag.failFast neither stops nor starts other branches",
    why="""\
`dag.failFast` (true by default) is said to stop the other branches when one fails, and `false` to
save them. Argo reads it in the final assessment alone: ready tasks are started while anything
runs, and running pods are never ended, with either value. Only where `parallelism` has left tasks
waiting is there a difference. The `failFast` of a template (beside `parallelism`) is another
field, and works.""",
    fix="take it out; use depends for what must not run after a failure",
    sources=(
        f"{ARGO}/workflow/controller/dag.go#L217-L243",
        f"{ARGO_ISSUES}/10312",
        f"{ARGO_ISSUES}/5223",
    ),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: pipeline
  templates:
    - name: pipeline
      dag:
        failFast: false  # found
        tasks:
          - {name: train, template: train}
    - name: train
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
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
    - name: train
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
""",
    fixable=True,
    argo=_check,
)
