"""A cache key that does not say what the result depends on."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.rule import Hit, Rule, Severity, named
from chaosml.lint.sources import ARGO, ARGO_DOCS

__all__ = ["RULE"]


def _check(manifest: Manifest) -> Iterator[Hit]:
    for template in manifest.templates:
        key = template.part.at("memoize", "key")
        if not key.exists:
            continue
        names = [one.at("name").text for one in template.part.at("inputs", "parameters").items()]
        # Without a full stop after `parameters` all of them are meant.
        everything = "inputs.parameters}}" in key.text.replace(" ", "")
        missing = [name for name in names if f"inputs.parameters.{name}" not in key.text]
        if "{{" not in key.text:
            message = "the key is the same for every run: the first result is served for ever"
            yield Hit(key, message, template.name, severity=Severity.ERROR)
        elif missing and not everything:
            message = f"the key does not name the input {named(missing)}"
            yield Hit(key, message, template.name)


RULE = Rule(
    name="memoize-key-misses-inputs",
    severity=Severity.WARNING,
    summary="a memoize key that leaves inputs out serves results of other inputs",
    why="""\
On a hit Argo runs no pod: the step has succeeded with the outputs that some former run left under
the same `key`. Whatever the key does not say does not matter to Argo, also if it matters to the
result. A result of a run that went wrong unnoticed is served to all that follow, until
`maxAge`.""",
    fix="name every input in the key, and the digest of code and data",
    sources=(
        f"{ARGO}/workflow/controller/operator.go#L2310-L2385",
        f"{ARGO_DOCS}/memoization/",
    ),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: preprocess
  templates:
    - name: preprocess
      inputs: {parameters: [{name: dataset}, {name: seed}]}
      memoize:
        key: "features-{{inputs.parameters.dataset}}"  # found
        cache: {configMap: {name: features}}
      container: {image: "trainer@sha256:0f1e", command: [python, preprocess.py]}
""",
    good="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: preprocess
  templates:
    - name: preprocess
      inputs: {parameters: [{name: dataset}, {name: seed}]}
      memoize:
        key: "features-0f1e-{{inputs.parameters.dataset}}-{{inputs.parameters.seed}}"
        cache: {configMap: {name: features}}
      container: {image: "trainer@sha256:0f1e", command: [python, preprocess.py]}
""",
    argo=_check,
)
