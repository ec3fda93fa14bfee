"""Text that Argo reads as something else."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.document import Loc
from chaosml.lint.argo import Manifest
from chaosml.lint.part import Part
from chaosml.lint.rule import Hit, Rule, Set, Severity

__all__ = ["RULE"]

_TEXTS = ("value", "default", "args", "command", "key", "parameters", "name")


def _check(manifest: Manifest) -> Iterator[Hit]:
    document = manifest.whole.document
    for loc, text in document.ambiguous.items():
        if not _takes_text(loc):
            continue
        part = Part(document, loc, document.get(loc))
        other = "another number" if text.strip("+-")[0].isdigit() else "a boolean"
        yield Hit(
            part, f"Argo, which reads YAML 1.1, takes {text} for {other}", edit=Set(part, text)
        )


def _takes_text(loc: Loc) -> bool:
    keys = [item for item in loc if isinstance(item, str)]
    return bool(keys) and keys[-1] in _TEXTS


RULE = Rule(
    name="yaml-1-1-text",
    severity=Severity.WARNING,
    summary="unquoted on, yes, 010 or 1_000 reach the program as something else",
    why="""\
Argo reads YAML 1.1, in which `on`, `yes` and `n` are booleans and `010` is eight. As the value of
a parameter `on` arrives as `true`; among `args` a boolean is refused. A run id or seed that
arrives changed is another run.""",
    fix="quote it",
    sources=(
        "https://yaml.org/type/bool.html",
        "https://github.com/kubernetes-sigs/yaml",
    ),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  arguments:
    parameters:
      - name: augment
        value: on  # found
      - name: seed
        value: 010  # found
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
  arguments:
    parameters:
      - name: augment
        value: "on"
      - name: seed
        value: "010"
  templates:
    - name: train
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
""",
    fixable=True,
    argo=_check,
)
