"""A creation that can succeed once."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.manifests import resources
from chaosml.lint.rule import Hit, Rule, Set, Severity
from chaosml.lint.sources import ARGO_DOCS

__all__ = ["RULE"]


def _check(manifest: Manifest) -> Iterator[Hit]:
    for resource in resources(manifest):
        retried = resource.template.retry is not None
        if retried and resource.action == "create" and not resource.is_named_anew:
            message = "the retry creates an object that is there already, and fails for that"
            action = resource.part.at("action")
            yield Hit(action, message, resource.template.name, Set(action, "apply"))


RULE = Rule(
    name="resource-create-fails-again",
    severity=Severity.ERROR,
    summary="action: create with a fixed name fails at every retry",
    why="""\
The first attempt has created the object; its pod dies while it waits. The next one calls `kubectl
create` again, gets "already exists", and ends as Failed, until no retries are left. The trainer
itself may well have finished meanwhile. `apply` finds the object and goes on waiting for its
conditions.""",
    fix="write action: apply",
    sources=(
        f"{ARGO_DOCS}/walk-through/kubernetes-resources/",
        "https://kubernetes.io/docs/reference/kubectl/generated/kubectl_create/",
    ),
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
        action: create  # found
        setOwnerReference: true
        successCondition: status.succeeded > 0
        failureCondition: status.failed > 3
        manifest: |
          apiVersion: batch/v1
          kind: Job
          metadata: {name: train}
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
          metadata: {name: train}
          spec: {template: {spec: {restartPolicy: Never}}}
""",
    fixable=True,
    argo=_check,
)
