"""A suppression that nobody can judge later."""

from __future__ import annotations

from chaosml.lint.rule import Rule, Severity

__all__ = ["RULE"]


RULE = Rule(
    name="suppression-without-reason",
    severity=Severity.WARNING,
    summary="a suppression says which rule it is for and why, or does nothing",
    why="""\
Whoever reads `# chaosml: ignore[…]` a year later must be able to tell whether the reason still
holds. Without a rule in brackets, or without a reason after them, the comment suppresses
nothing.""",
    fix="write # chaosml: ignore[RULE] and the reason after it",
    sources=("docs/lint/README.md: suppressions",),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  templates:
    - name: train
      container:
        image: trainer:1.4  # chaosml: ignore[image-tag] # found
        command: [python, train.py]
""",
    good="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  templates:
    - name: train
      container:
        image: trainer:1.4  # chaosml: ignore[image-tag] tags are immutable in our registry
        command: [python, train.py]
""",
)
