"""An identity that no retry shares."""

from __future__ import annotations

import re
from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.identities import identities, is_checkpoint, told
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import ARGO, ARGO_DOCS

__all__ = ["RULE"]

_OF_THE_ATTEMPT = re.compile(
    r"\b(pod\.name|node\.name|retries|lastRetry\.\w+)\b|\$\(?\{?(HOSTNAME|POD_NAME|RANDOM|date|uuidgen)\b"
    r"|\b(now|rand\w+|uuidv4)\("
)
_FIELDS = ("metadata.name", "metadata.uid", "status.podIP")


def _check(manifest: Manifest) -> Iterator[Hit]:
    checkpoints = [one for one in told(manifest) if is_checkpoint(one[1])]
    for template, variable in [*identities(manifest), *checkpoints]:
        found = _OF_THE_ATTEMPT.search(variable.value)
        what = found[0] if found is not None else variable.field_path
        if found is not None or variable.field_path in _FIELDS:
            message = f"{what} differs in every attempt, so that a retry finds no checkpoint"
            yield Hit(variable.part, message, template.name)


RULE = Rule(
    name="run-id-per-attempt",
    severity=Severity.ERROR,
    summary="a run id or checkpoint path with the attempt in it is never resumed",
    why="""\
Each retry is a new pod with another name, uid, address and `{{retries}}`. A trainer that looks
for its checkpoint under one of them finds nothing, begins at step 0, and still ends green. An
identity of the attempt is good for logs and manifests, beside the run id.""",
    fix="keep pod name and retries out of run ids and checkpoint paths",
    sources=(
        f"{ARGO}/workflow/util/pod_name.go#L56-L79",
        f"{ARGO_DOCS}/variables/",
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
        args: ["--checkpoint-dir=s3://models/{{pod.name}}"]  # found
        env:
          - name: RUN_ID
            valueFrom: {fieldRef: {fieldPath: metadata.uid}}  # found
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
        args: ["--checkpoint-dir=s3://models/{{workflow.parameters.run-id}}"]
        env:
          - {name: RUN_ID, value: "{{workflow.parameters.run-id}}"}
          - {name: ATTEMPT, value: "{{retries}}"}
""",
    argo=_check,
)
