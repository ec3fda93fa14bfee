"""One identity for all runs."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.document import describe
from chaosml.lint.argo import Manifest
from chaosml.lint.identities import identities
from chaosml.lint.rule import Hit, Rule, Severity

__all__ = ["RULE"]


def _check(manifest: Manifest) -> Iterator[Hit]:
    for template, variable in identities(manifest):
        if variable.is_constant:
            message = f"{describe(variable.value)} is the run id of every run of this workflow"
            yield Hit(variable.part, message, template.name)


RULE = Rule(
    name="run-id-static",
    severity=Severity.WARNING,
    summary="a run id that is written into the file is shared by all runs",
    why="""\
Two runs at once then write the same checkpoints and markers: each resumes from the other's steps,
and the later one finds the marker of the earlier and trains nothing. A run id belongs to whoever
submits, as a parameter: the same again to resume, another one to begin anew.""",
    fix="declare a workflow parameter run-id and use {{workflow.parameters.run-id}}",
    sources=("docs/artifact-contract.md: one identity for a run and all its attempts",),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  templates:
    - name: train
      container:
        image: "trainer@sha256:0f1e"
        command: [python, train.py]
        env:
          - {name: RUN_ID, value: baseline}  # found
""",
    good="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  arguments: {parameters: [{name: run-id}]}
  templates:
    - name: train
      container:
        image: "trainer@sha256:0f1e"
        command: [python, train.py]
        env:
          - {name: RUN_ID, value: "{{workflow.parameters.run-id}}"}
""",
    argo=_check,
)
