"""A registration that happens as often as it is tried."""

from __future__ import annotations

import re
from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.identities import registers
from chaosml.lint.programs import Variable, variables, words_of
from chaosml.lint.rule import Hit, Rule, Severity

__all__ = ["RULE"]

_KEY = re.compile(r"run-?id|idempotency|digest|sha|checksum|(^|-)version$|(^|-)uid$|request-id")
_KEY_VALUE = re.compile(r"run-?id|idempotency|digest|sha256|workflow\.(uid|name)", re.I)


def _check(manifest: Manifest) -> Iterator[Hit]:
    for template in manifest.templates:
        if not registers(template.name) or not template.containers:
            continue
        words = [word.text for one in template.containers for word in words_of(one)]
        given = [variable for one in template.containers for variable in variables(one)]
        in_words = any("{{" in word and _KEY_VALUE.search(word) for word in words)
        if not in_words and not any(map(_tells_runs_apart, given)):
            message = "registers without a run id or digest: what is tried twice is entered twice"
            yield Hit(template.part, message, template.name)


def _tells_runs_apart(variable: Variable) -> bool:
    varies = bool(variable.field_path) or (bool(variable.value) and not variable.is_constant)
    return varies and bool(_KEY.search(variable.name) or _KEY_VALUE.search(variable.value))


RULE = Rule(
    name="register-not-idempotent",
    severity=Severity.WARNING,
    summary="a registering step gets no key by which a second attempt could find its entry",
    why="""\
A pod that dies after its call and before its end is retried, and calls again. A registry like
MLflow makes a new version at every call, by design. Only a key that is the same for both
attempts, a run id or the digest of what is registered, lets the second find the entry of the
first. The rule goes by the name of the template (register, publish, promote, deploy, release) and
looks for such a key, with a value that varies from run to run, among its variables and options.""",
    fix="pass a run id or a digest and let the program look for an entry with it first",
    sources=(
        "https://github.com/mlflow/mlflow/issues/19036",
        "scenarios/pod-deletion-adhoc.yaml: the defect, to run",
    ),
    bad="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: register
  templates:
    - name: register  # found
      container:
        image: "trainer@sha256:0f1e"
        command: [python, register.py]
        args: ["--bucket={{workflow.parameters.bucket}}"]
""",
    good="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: register
  templates:
    - name: register
      container:
        image: "trainer@sha256:0f1e"
        command: [python, register.py]
        args: ["--bucket={{workflow.parameters.bucket}}"]
        env:
          - {name: RUN_ID, value: "{{workflow.parameters.run-id}}"}
""",
    argo=_check,
)
