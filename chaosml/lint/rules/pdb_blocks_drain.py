"""A budget that protects pods from a drain, and so from their grace period."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import ARGO

__all__ = ["RULE"]


def _check(manifest: Manifest) -> Iterator[Hit]:
    budget = manifest.spec.at("podDisruptionBudget")
    least, most = budget.at("minAvailable"), budget.at("maxUnavailable")
    if least.text not in ("", "0", "0%"):
        yield Hit(least, f"minAvailable {least.text} makes the drain of a spot node wait in vain")
    if most.text in ("0", "0%"):
        yield Hit(most, f"maxUnavailable {most.text} makes the drain of a spot node wait in vain")


RULE = Rule(
    name="pdb-blocks-drain",
    severity=Severity.WARNING,
    summary="a podDisruptionBudget turns a drain with grace into a death without",
    why="""\
A budget forbids evictions. The cloud does not ask: a spot node ends at its time. What the budget
stops is the handler that drains the node during the notice, by which pods would get SIGTERM and
their grace period; they run on until the machine is gone and save nothing. It does help against
voluntary drains, such as upgrades: on nodes that are not interruptible, suppress the rule and say
so.""",
    fix="take it out for work on interruptible nodes",
    sources=(
        "https://kubernetes.io/docs/concepts/workloads/pods/disruptions/",
        f"{ARGO}/examples/default-pdb-support.yaml",
        "docs/faults.md: refused-by-pdb",
    ),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  podDisruptionBudget: {minAvailable: 9999}  # found
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
  templates:
    - name: train
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
""",
    argo=_check,
)
