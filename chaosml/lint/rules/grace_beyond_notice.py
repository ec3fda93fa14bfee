"""A grace period that the cloud does not grant."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.pods import Provider, grace_of, provider_of
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import GKE_SPOT

__all__ = ["RULE"]

_LONGEST_S = {Provider.GKE: 15, Provider.AWS: 120, Provider.AZURE: 30}
"""From the notice to the end, for pods of users."""


def _check(manifest: Manifest) -> Iterator[Hit]:
    for template in manifest.pods:
        grace, provider = grace_of(template), provider_of(template)
        if grace is None or grace.seconds is None or provider is None:
            continue
        longest = _LONGEST_S[provider]
        if grace.seconds > longest:
            message = (
                f"asks for {grace.seconds} s of grace on {provider.value} spot nodes, which are "
                f"gone {longest} s after their notice"
            )
            yield Hit(grace.part, message, template.name)


RULE = Rule(
    name="grace-beyond-notice",
    severity=Severity.WARNING,
    summary="a grace period longer than the notice of spot nodes is cut short",
    why="""\
The node ends when the cloud says, whatever the pod asks for. GKE gives pods of users 15 s of its
30 s (configurable up to 120 s from 1.35 on; then suppress this rule and say so), Azure Preempt
events come at least 30 s ahead, AWS's notice 120 s. A trainer that counts on more is killed in
the middle of its checkpoint. The rule speaks where nodeSelector, affinity or tolerations name the
provider's spot label.""",
    fix="save within the notice and ask for no more: 15 s on GKE, 30 s on Azure, 100 s on AWS",
    sources=(
        GKE_SPOT,
        "https://learn.microsoft.com/en-us/azure/virtual-machines/linux/scheduled-events",
        "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html",
    ),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  nodeSelector: {cloud.google.com/gke-spot: "true"}
  podSpecPatch: '{"terminationGracePeriodSeconds": 100}'  # found
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
  nodeSelector: {cloud.google.com/gke-spot: "true"}
  podSpecPatch: '{"terminationGracePeriodSeconds": 15}'
  templates:
    - name: train
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
""",
    argo=_check,
)
