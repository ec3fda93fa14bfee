"""An identity that a resubmitted workflow does not have any more."""

from __future__ import annotations

import re
from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.identities import identities, is_checkpoint, told
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import ARGO_DOCS

__all__ = ["RULE"]

_OF_THE_OBJECT = re.compile(r"workflow\.(uid|name|creationTimestamp)")


def _check(manifest: Manifest) -> Iterator[Hit]:
    checkpoints = [one for one in told(manifest) if is_checkpoint(one[1])]
    for template, variable in [*identities(manifest), *checkpoints]:
        found = _OF_THE_OBJECT.search(variable.value)
        if found is not None:
            message = f"{found[0]} is another one after argo resubmit, so that nothing is resumed"
            yield Hit(variable.part, message, template.name)


RULE = Rule(
    name="run-id-changes-on-resubmit",
    severity=Severity.WARNING,
    summary="a run id made from the workflow object is lost on resubmission",
    why="""\
`{{workflow.uid}}` and `{{workflow.name}}` stay the same through retries by the controller and
through `argo retry`. `argo resubmit`, a new submission and the next run of a CronWorkflow make
another object: the trainer looks for checkpoints under a name that nobody has written and begins
at step 0. Where every submission is meant to begin anew, suppress the rule and say so.""",
    fix="take the run id from a parameter that the submitter keeps",
    sources=(
        f"{ARGO_DOCS}/variables/",
        f"{ARGO_DOCS}/cli/argo_resubmit/",
    ),
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
        args: ["--run-id={{workflow.uid}}"]  # found
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
        args: ["--run-id={{workflow.parameters.run-id}}"]
""",
    argo=_check,
)
