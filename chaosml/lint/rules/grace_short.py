"""A grace period shorter than it need be."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.pods import DEFAULT_GRACE_S, Provider, grace_of, provider_of
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import KUBERNETES_PODS

__all__ = ["RULE"]

_LEAST_S = {Provider.AWS: 60, Provider.GKE: 15, Provider.AZURE: 25}
"""Half of AWS's notice: the rest goes to noticing and draining; elsewhere nearly all of it."""


def _check(manifest: Manifest) -> Iterator[Hit]:
    for template in manifest.pods:
        grace, provider = grace_of(template), provider_of(template)
        if grace is None or grace.seconds is None:
            continue
        least = DEFAULT_GRACE_S if provider is None else _LEAST_S[provider]
        if grace.seconds < least:
            whose = "the default" if provider is None else f"what {provider.value}'s notice leaves"
            message = f"{grace.seconds} s of grace is less than {whose}, {least} s"
            yield Hit(grace.part, message, template.name)


RULE = Rule(
    name="grace-short",
    severity=Severity.WARNING,
    summary="a grace period shorter than the notice gives away time to save",
    why="""\
A pod that ends by itself earlier is gone earlier: a long grace period costs nothing. A short one
kills the trainer while the node still has time. AWS gives notice 120 s ahead, of which noticing
and draining take some; GKE leaves 15 s, Azure 30 s. 0 is worst: the pod object vanishes at once,
nothing is saved.""",
    fix="ask for as much as the notice leaves: 100 s on AWS, 30 s on Azure, 15 s on GKE",
    sources=(
        f"{KUBERNETES_PODS}/#pod-termination",
        "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html",
    ),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  podSpecPatch: '{"terminationGracePeriodSeconds": 5}'  # found
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
