"""A task that may fail, but not be deleted."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.rule import Add, Hit, Rule, Set, Severity
from chaosml.lint.sources import ARGO_ISSUES, SURVEY

__all__ = ["RULE"]


def _check(manifest: Manifest) -> Iterator[Hit]:
    for template in manifest.templates:
        for task in template.tasks():
            tolerated = task.at("continueOn")
            error = tolerated.at("error")
            if tolerated.at("failed").value is True and error.value is not True:
                edit = Set(error, True) if error.exists else Add(tolerated, "error", True)
                message = "continueOn.failed does not cover a deleted pod, which is Error"
                yield Hit(tolerated.at("failed"), message, task.at("name").text, edit)


RULE = Rule(
    name="continue-on-misses-error",
    severity=Severity.WARNING,
    summary="continueOn.failed without error ends the workflow when the pod is deleted",
    why="""\
`continueOn: {failed: true}` goes on after `Failed`. A deleted pod is `Error`, for which there is
`error: true`. A step that may fail may be preempted as well.""",
    fix="add error: true",
    sources=(f"{ARGO_ISSUES}/5738", SURVEY),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: pipeline
  templates:
    - name: pipeline
      steps:
        - - name: plot
            template: plot
            continueOn: {failed: true}  # found
    - name: plot
      container: {image: "trainer@sha256:0f1e", command: [python, plot.py]}
""",
    good="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: pipeline
  templates:
    - name: pipeline
      steps:
        - - name: plot
            template: plot
            continueOn: {failed: true, error: true}
    - name: plot
      container: {image: "trainer@sha256:0f1e", command: [python, plot.py]}
""",
    fixable=True,
    argo=_check,
)
