"""A step that is memoized, but run for what it does."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.identities import changes_the_world
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import ARGO, ARGO_DOCS

__all__ = ["RULE"]


def _check(manifest: Manifest) -> Iterator[Hit]:
    for template in manifest.templates:
        memoize = template.part.at("memoize")
        if memoize.exists and changes_the_world(template.name):
            message = "is memoized although it is run for its effect: on a hit nothing is done"
            yield Hit(memoize, message, template.name, key=True)


RULE = Rule(
    name="memoize-side-effect",
    severity=Severity.ERROR,
    summary="a memoized step with an effect outside does nothing on a hit",
    why="""\
A hit gives back outputs and runs nothing: no model is registered, nobody is notified, and the
step is green. Whether the registry still holds what the former run put there is not looked at.
The rule goes by the name of the template: register, publish, promote, deploy, release, notify,
send, upload and the like.""",
    fix="take memoize out; make the step idempotent instead",
    sources=(
        f"{ARGO}/workflow/controller/operator.go#L1271-L1280",
        f"{ARGO_DOCS}/memoization/",
    ),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: register-model
  templates:
    - name: register-model
      inputs: {parameters: [{name: digest}]}
      memoize:  # found
        key: "register-{{inputs.parameters.digest}}"
        cache: {configMap: {name: registrations}}
      container: {image: "trainer@sha256:0f1e", command: [python, register.py]}
""",
    good="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: register-model
  templates:
    - name: register-model
      inputs: {parameters: [{name: digest}]}
      container:
        image: "trainer@sha256:0f1e"
        command: [python, register.py]
        args: ["--digest={{inputs.parameters.digest}}"]
""",
    argo=_check,
)
