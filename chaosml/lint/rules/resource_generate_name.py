"""Two trainers at once."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.manifests import resources
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import ARGO_DOCS

__all__ = ["RULE"]


def _check(manifest: Manifest) -> Iterator[Hit]:
    for resource in resources(manifest):
        if resource.action == "create" and resource.is_named_anew:
            message = "generateName makes a second object when the step is retried: two at once"
            yield Hit(resource.manifest, message, resource.template.name)


RULE = Rule(
    name="resource-generate-name",
    severity=Severity.ERROR,
    summary="a resource template with generateName starts a second trainer on retry",
    why="""\
The pod of a resource template creates an object and waits for its end. When that pod dies, the
object lives on, on other nodes. The retry creates another one under a new name: two trainers
write the same checkpoints, and the older one may overwrite what the newer has published.""",
    fix="give the object a fixed name with the run id in it, and action: apply",
    sources=(f"{ARGO_DOCS}/walk-through/kubernetes-resources/",),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  templates:
    - name: train
      retryStrategy: {limit: "10", retryPolicy: Always}
      resource:
        action: create
        setOwnerReference: true
        successCondition: status.succeeded > 0
        failureCondition: status.failed > 3
        manifest: |  # found
          apiVersion: batch/v1
          kind: Job
          metadata: {generateName: train-}
          spec: {template: {spec: {restartPolicy: Never}}}
""",
    good="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  templates:
    - name: train
      retryStrategy: {limit: "10", retryPolicy: Always}
      resource:
        action: apply
        setOwnerReference: true
        successCondition: status.succeeded > 0
        failureCondition: status.failed > 3
        manifest: |
          apiVersion: batch/v1
          kind: Job
          metadata: {name: "train-{{workflow.parameters.run-id}}"}
          spec: {template: {spec: {restartPolicy: Never}}}
""",
    argo=_check,
)
