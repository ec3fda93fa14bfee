"""Pods that get half a minute to save whatever they have."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.pods import Provider, grace_of, provider_of
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import ARGO, KUBERNETES_PODS

__all__ = ["RULE"]

# On these the default is already as long as the notice or longer.
_SHORT_NOTICE = (Provider.GKE, Provider.AZURE)


def _check(manifest: Manifest) -> Iterator[Hit]:
    if not manifest.runs_itself:
        return
    without = [
        template.name
        for template in manifest.pods
        if grace_of(template) is None and provider_of(template) not in _SHORT_NOTICE
    ]
    for name in without:
        message = "no grace period is asked for: 30 s from SIGTERM to SIGKILL"
        yield Hit(manifest.spec.at("entrypoint"), message, name, key=True)


RULE = Rule(
    name="grace-missing",
    severity=Severity.WARNING,
    summary="no grace period is asked for, so SIGKILL comes 30 s after SIGTERM",
    why="""\
Kubernetes waits 30 s between SIGTERM and SIGKILL unless the pod says otherwise. A checkpoint of a
large model takes longer, and AWS gives notice two minutes ahead. Argo has no field for it,
neither in the spec nor in a template: it is a patch of the pod. For templates whose nodes give
notice of 30 s or less by their labels (GKE Spot, Azure Spot) nothing is asked.

In a WorkflowTemplate without entrypoint the rule is silent: the workflow that refers to it says
the grace period.""",
    fix="""add podSpecPatch: '{"terminationGracePeriodSeconds": 100}' to the spec""",
    sources=(
        f"{KUBERNETES_PODS}/#pod-termination",
        f"{ARGO}/examples/pod-spec-patch.yaml",
        "https://github.com/argoproj/argo-workflows/issues/13716",
    ),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train  # found
  templates:
    - name: train
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
""",
    good="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  podSpecPatch: '{"terminationGracePeriodSeconds": 100}'
  templates:
    - name: train
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
""",
    argo=_check,
)
