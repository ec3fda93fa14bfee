"""A suppression of nothing."""

from __future__ import annotations

from chaosml.lint.rule import Rule, Severity

__all__ = ["RULE"]


RULE = Rule(
    name="suppression-unused",
    severity=Severity.NOTE,
    summary="a suppression that suppresses nothing hides the next finding",
    why="""\
The comment stayed when the finding went, or names a rule that does not exist. The next finding of
this rule in this place would be suppressed for a reason that was meant for another.""",
    fix="take the comment out, or correct the rule's name",
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
        # chaosml: ignore[image-tag] tags are immutable in our registry  # found
        image: trainer@sha256:0f1e
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
        image: trainer@sha256:0f1e
        command: [python, train.py]
""",
)
