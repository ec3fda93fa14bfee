"""A step that is done when its work begins."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.manifests import resources
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import ARGO_DOCS

__all__ = ["RULE"]


def _check(manifest: Manifest) -> Iterator[Hit]:
    for resource in resources(manifest):
        if not resource.kind or resource.action not in ("apply", "create"):
            continue
        if not resource.part.at("successCondition").exists:
            message = (
                f"without successCondition the step is done as soon as the {resource.kind} exists"
            )
            yield Hit(resource.part, message, resource.template.name)
        elif not resource.part.at("failureCondition").exists:
            message = (
                f"without failureCondition a {resource.kind} that has failed is waited for for ever"
            )
            yield Hit(resource.part, message, resource.template.name)


RULE = Rule(
    name="resource-without-condition",
    severity=Severity.ERROR,
    summary="a resource template without conditions does not wait for its job",
    why="""\
Without `successCondition` Argo goes on when the object has been created: the model is evaluated
and registered while it is being trained. Without `failureCondition` the end of a failed job is
not seen. The rule knows Job, JobSet, PyTorchJob, TFJob, MPIJob, TrainJob, RayJob,
SparkApplication and their like.""",
    fix="add successCondition and failureCondition",
    sources=(f"{ARGO_DOCS}/walk-through/kubernetes-resources/",),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  templates:
    - name: train
      resource:
        action: apply  # found
        setOwnerReference: true
        manifest: |
          apiVersion: kubeflow.org/v1
          kind: PyTorchJob
          metadata: {name: train}
""",
    good="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  templates:
    - name: train
      resource:
        action: apply
        setOwnerReference: true
        successCondition: status.replicaStatuses.Master.succeeded > 0
        failureCondition: status.replicaStatuses.Master.failed > 0
        manifest: |
          apiVersion: kubeflow.org/v1
          kind: PyTorchJob
          metadata: {name: train}
""",
    argo=_check,
)
