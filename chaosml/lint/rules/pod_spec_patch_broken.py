"""A patch that is none."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.pods import patch, patches
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import ARGO

__all__ = ["RULE"]


def _check(manifest: Manifest) -> Iterator[Hit]:
    for part in patches(manifest):
        if isinstance(part.value, dict | list):
            message = "podSpecPatch is a text that holds JSON or YAML, not a mapping"
        elif "{{" not in part.text and patch(part.text) is None:
            message = "podSpecPatch is neither JSON nor YAML, so no pod can be made"
        else:
            continue
        yield Hit(part, message, key=True)


RULE = Rule(
    name="pod-spec-patch-broken",
    severity=Severity.ERROR,
    summary="a podSpecPatch that cannot be read stops every pod",
    why="""\
`podSpecPatch` is text. As a mapping the document is refused; as text that is no JSON and no YAML
the controller cannot make the pod, and the step is `Error`. Texts with `{{…}}` are not judged.""",
    fix="""quote it: podSpecPatch: '{"terminationGracePeriodSeconds": 100}'""",
    sources=(f"{ARGO}/examples/pod-spec-patch.yaml",),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  podSpecPatch: {terminationGracePeriodSeconds: 100}  # found
  templates:
    - name: train
      podSpecPatch: '{"terminationGracePeriodSeconds": 100'  # found
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
