"""Checkpoints that die with their pod."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.document import describe
from chaosml.lint.argo import Manifest, Template
from chaosml.lint.identities import is_checkpoint
from chaosml.lint.part import Part
from chaosml.lint.programs import variables
from chaosml.lint.rule import Hit, Rule, Severity

__all__ = ["RULE"]

_LOST_WITH_NODE = ("emptyDir", "hostPath", "ephemeral")


def _check(manifest: Manifest) -> Iterator[Hit]:
    for template in manifest.templates:
        for container in template.containers:
            for variable in variables(container):
                if is_checkpoint(variable) and variable.value.startswith("/"):
                    where = _place(template, container, variable.value)
                    if where:
                        message = f"keeps checkpoints in {describe(variable.value)}, {where}"
                        yield Hit(variable.part, message, template.name)


def _place(template: Template, container: Part, path: str) -> str:
    """Say why a path does not outlive its pod or node; empty where it may."""
    mounts = {
        mount.at("mountPath").text: mount.at("name").text
        for holder in (template.part.at("containerSet"), container)
        for mount in holder.at("volumeMounts").items()
        if f"{path}/".startswith(f"{mount.at('mountPath').text.rstrip('/')}/")
    }
    if not mounts:
        return "which is on no volume and dies with the pod"
    name = mounts[max(mounts, key=len)]
    spec = template.manifest.spec
    for volume in (*template.part.at("volumes").items(), *spec.at("volumes").items()):
        if volume.at("name").text == name:
            kind = next((kind for kind in _LOST_WITH_NODE if volume.at(kind).exists), "")
            return f"on a volume of kind {kind}, which is lost with pod or node" if kind else ""
    return ""


RULE = Rule(
    name="checkpoint-on-pod-disk",
    severity=Severity.ERROR,
    summary="checkpoints on the disk of a pod or node are lost when they are needed",
    why="""\
The retry is a new pod, on another node. What the old one wrote to its own file system, to an
`emptyDir` or to a `hostPath` stays behind: the trainer begins at step 0, every time.""",
    fix="write checkpoints to an object store or to a PersistentVolumeClaim",
    sources=("https://kubernetes.io/docs/concepts/storage/volumes/#emptydir",),
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
        args: ["--checkpoint-dir=/tmp/checkpoints"]  # found
""",
    good="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  volumes:
    - {name: checkpoints, persistentVolumeClaim: {claimName: checkpoints}}
  templates:
    - name: train
      container:
        image: "trainer@sha256:0f1e"
        command: [python, train.py]
        args: ["--checkpoint-dir=/checkpoints/{{workflow.parameters.run-id}}"]
        volumeMounts: [{name: checkpoints, mountPath: /checkpoints}]
""",
    argo=_check,
)
