"""A trainer that outlives its workflow."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.manifests import resources
from chaosml.lint.part import Part
from chaosml.lint.rule import Add, Edit, Hit, Rule, Set, Severity
from chaosml.lint.sources import ARGO_DOCS

__all__ = ["RULE"]


def _check(manifest: Manifest) -> Iterator[Hit]:
    for resource in resources(manifest):
        owned = resource.part.at("setOwnerReference").value is True
        if resource.kind and resource.action in ("apply", "create") and not owned:
            if "ownerReferences" in resource.manifest.text:
                continue
            message = f"the {resource.kind} has no owner and trains on when the workflow is deleted"
            yield Hit(resource.part, message, resource.template.name, _edit(resource.part))


def _edit(part: Part) -> Edit:
    owned = part.at("setOwnerReference")
    return Set(owned, True) if owned.exists else Add(part, "setOwnerReference", True)


RULE = Rule(
    name="resource-orphaned",
    severity=Severity.WARNING,
    summary="an object without an owner goes on after the workflow is gone",
    why="""\
Argo does not delete what a resource template has created. When the workflow is deleted, stopped
or submitted anew, the job trains on, pays for its nodes, and writes checkpoints beside its
successor. `setOwnerReference: true` ties it to the workflow, so that both are deleted together;
`argo stop` deletes neither.""",
    fix="add setOwnerReference: true",
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
        successCondition: status.succeeded > 0
        failureCondition: status.failed > 3
        manifest: |
          apiVersion: batch/v1
          kind: Job
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
        successCondition: status.succeeded > 0
        failureCondition: status.failed > 3
        manifest: |
          apiVersion: batch/v1
          kind: Job
          metadata: {name: train}
""",
    fixable=True,
    argo=_check,
)
