"""Failed pods that are deleted before anybody has read their logs."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.rule import Hit, Rule, Set, Severity
from chaosml.lint.sources import ARGO_DOCS

__all__ = ["RULE"]

_KEEPS_FAILED = ("OnPodSuccess", "OnWorkflowSuccess", "")


def _check(manifest: Manifest) -> Iterator[Hit]:
    strategy = manifest.spec.at("podGC", "strategy")
    if strategy.text not in _KEEPS_FAILED and manifest.spec.at("archiveLogs").value is not True:
        message = f"podGC {strategy.text} deletes failed pods, and no logs are archived"
        kept = strategy.text.replace("Completion", "Success")
        yield Hit(strategy, message, edit=Set(strategy, kept) if kept in _KEEPS_FAILED else None)


RULE = Rule(
    name="pod-gc-destroys-evidence",
    severity=Severity.WARNING,
    summary="podGC deletes the pods that could say why they died",
    why="""\
`OnPodCompletion` and `OnWorkflowCompletion` delete pods whatever their end, with their logs, exit
codes and the reason of their death. A preemption can then not be told from a crash. Whoever has
logs collected elsewhere suppresses the rule and says where.""",
    fix="write strategy: OnPodSuccess, or archiveLogs: true in the spec",
    sources=(
        f"{ARGO_DOCS}/cost-optimisation/",
        f"{ARGO_DOCS}/configure-archive-logs/",
    ),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  podGC:
    strategy: OnPodCompletion  # found
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
  podGC:
    strategy: OnPodSuccess
  templates:
    - name: train
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
""",
    fixable=True,
    argo=_check,
)
