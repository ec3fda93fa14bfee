"""A grace period that is told to the program alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.part import whole
from chaosml.lint.pods import DEFAULT_GRACE_S, grace_of
from chaosml.lint.programs import variables
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import KUBERNETES_PODS

__all__ = ["RULE"]

_NAME = re.compile(r"(^|-)grace(-|$)|termination-grace")


def _check(manifest: Manifest) -> Iterator[Hit]:
    for template in manifest.pods:
        grace = grace_of(template)
        real = DEFAULT_GRACE_S if grace is None else grace.seconds
        for container in template.containers:
            for variable in variables(container):
                told = whole(variable.value.removesuffix("s"))
                if not (_NAME.search(variable.name) and told is not None and real is not None):
                    continue
                if told > real:
                    message = f"tells the program of {told} s of grace; Kubernetes gives {real} s"
                    yield Hit(variable.part, message, template.name)


RULE = Rule(
    name="grace-in-env",
    severity=Severity.ERROR,
    summary="an environment variable or option does not lengthen the grace period",
    why="""\
The program may be told how long it has; the kubelet decides. A trainer that plans with 100 s and
is killed after 30 s loses the checkpoint that it is writing.""",
    fix="""add podSpecPatch: '{"terminationGracePeriodSeconds": …}' with at least that value""",
    sources=(f"{KUBERNETES_PODS}/#pod-termination",),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  templates:
    - name: train
      container:
        image: "trainer@sha256:0f1e"
        command: [python, train.py]
        env:
          - {name: GRACE_PERIOD_SEC, value: "100"}  # found
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
      container:
        image: "trainer@sha256:0f1e"
        command: [python, train.py]
        env:
          - {name: GRACE_PERIOD_SEC, value: "100"}
""",
    argo=_check,
)
