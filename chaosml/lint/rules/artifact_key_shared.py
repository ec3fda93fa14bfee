"""An output that every run writes to the same place."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.part import Part
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import ARGO_ISSUES

__all__ = ["RULE"]

_STORES = (("s3", "key"), ("gcs", "key"), ("oss", "key"), ("azure", "blob"), ("hdfs", "path"))


def _check(manifest: Manifest) -> Iterator[Hit]:
    for template in manifest.templates:
        for artifact in template.part.at("outputs", "artifacts").items():
            key = _key(artifact)
            if key is not None and "{{" not in key.text:
                message = (
                    "the key is the same in every run, and is written even when main has failed"
                )
                yield Hit(key, message, template.name)


def _key(artifact: Part) -> Part | None:
    places = (artifact.at(*store) for store in _STORES)
    return next((place for place in places if place.text), None)


RULE = Rule(
    name="artifact-key-shared",
    severity=Severity.WARNING,
    summary="an output artifact with a fixed key is overwritten by a part of itself",
    why="""\
Argo uploads output artifacts also when the main container has failed or was killed. Under a key
that all runs share, half a file takes the place of the whole one of the run before, and whoever
skips its work "because it is there" takes it. Two runs at once mix.""",
    fix="put the run id into the key, and let the reader check a digest or marker",
    sources=(
        f"{ARGO_ISSUES}/3761",
        f"{ARGO_ISSUES}/14986",
    ),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  templates:
    - name: train
      outputs:
        artifacts:
          - name: model
            path: /work/model.pt
            s3: {key: models/model.pt}  # found
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
""",
    good="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  templates:
    - name: train
      outputs:
        artifacts:
          - name: model
            path: /work/model.pt
            s3: {key: "models/{{workflow.parameters.run-id}}/model.pt"}
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
""",
    argo=_check,
)
