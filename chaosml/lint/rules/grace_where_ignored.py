"""A grace period in a place where nobody reads it."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.part import Part
from chaosml.lint.pods import GRACE_KEY
from chaosml.lint.rule import Edit, Hit, Replace, Rule, Severity
from chaosml.lint.sources import ARGO

__all__ = ["RULE"]

_PROBES = frozenset({"livenessProbe", "readinessProbe", "startupProbe"})


def _check(manifest: Manifest) -> Iterator[Hit]:
    for part in _misplaced(manifest.whole):
        owner = next((one for one in manifest.templates if one.part.loc == part.loc[:-1]), None)
        message = f"Argo has no {GRACE_KEY} here and drops it: pods get 30 s"
        name = owner.name if owner is not None else ""
        yield Hit(part, message, name, _edit(manifest, part), key=True)


def _misplaced(part: Part) -> Iterator[Part]:
    for key, entry in part.entries():
        if key == GRACE_KEY:
            yield entry
        elif key not in _PROBES:
            yield from _misplaced(entry)
    for item in part.items():
        yield from _misplaced(item)


def _edit(manifest: Manifest, part: Part) -> Edit | None:
    """Return the patch that says the same, where it can stand in the same place."""
    holders = [manifest.spec, manifest.spec.at("templateDefaults")]
    holders += [template.part for template in manifest.templates]
    holder = next((one for one in holders if one.loc == part.loc[:-1]), None)
    if holder is None or holder.at("podSpecPatch").exists or part.number is None:
        return None
    return Replace(part, "podSpecPatch", f'{{"{GRACE_KEY}": {part.text}}}')


RULE = Rule(
    name="grace-where-ignored",
    severity=Severity.ERROR,
    summary="terminationGracePeriodSeconds has no place in a Workflow but podSpecPatch",
    why="""\
A pod's spec has `terminationGracePeriodSeconds`; an Argo workflow, template or container has not.
The controller reads past it without a word, and pods are killed 30 s after SIGTERM. `argo lint`
and `argo submit` refuse it, being strict by default; `kubectl apply` and the API do not. In
probes the field exists and means something else.""",
    fix="""say it by podSpecPatch: '{"terminationGracePeriodSeconds": 100}'""",
    sources=(
        f"{ARGO}/api/jsonschema/schema.json",
        "https://github.com/argoproj/argo-workflows/pull/4940",
        "https://github.com/argoproj/argo-workflows/issues/13716",
    ),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  terminationGracePeriodSeconds: 100  # found
  templates:
    - name: train
      terminationGracePeriodSeconds: 100  # found
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
    fixable=True,
    argo=_check,
)
