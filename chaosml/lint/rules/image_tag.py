"""An image that can be another one at the next attempt."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.document import describe
from chaosml.lint.argo import Manifest
from chaosml.lint.kubeflow import Package
from chaosml.lint.part import Part
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import ARGO_ISSUES

__all__ = ["RULE"]


def _check(manifest: Manifest) -> Iterator[Hit]:
    for template in manifest.templates:
        for container in template.containers:
            yield from _judge(container.at("image"), template.name)


def _check_kubeflow(package: Package) -> Iterator[Hit]:
    for task in package.steps:
        yield from _judge(task.container.at("image"), task.name)


def _judge(image: Part, name: str) -> Iterator[Hit]:
    # A variable may well hold a digest.
    if image.text and "@sha256:" not in image.text and "{{" not in image.text:
        message = f"the image {describe(image.value)} is named by a tag, not by its digest"
        yield Hit(image, message, name)


RULE = Rule(
    name="image-tag",
    severity=Severity.WARNING,
    summary="a tag can name another image when a step is retried on a new node",
    why="""\
A retry runs on another node, which pulls the image anew. Whoever has moved the tag in the
meantime has changed the program in the middle of a run: it may read the checkpoint otherwise, and
no record says so. Memoized and cached results of the old image are served to the new one. A
digest cannot move. With `imagePullPolicy: IfNotPresent` the nodes even differ among themselves.""",
    fix="name the image by digest: registry/trainer@sha256:…",
    sources=(
        "https://kubernetes.io/docs/concepts/containers/images/#image-names",
        f"{ARGO_ISSUES}/3761",
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
        image: registry.example.com/trainer:1.4  # found
        command: [python, train.py]
""",
    good="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  templates:
    - name: train
      container:
        image: registry.example.com/trainer@sha256:0f1e8b7cc4a9a1c9a8ae5d5dbf2a6dfd6b
        command: [python, train.py]
""",
    argo=_check,
    kubeflow=_check_kubeflow,
)
