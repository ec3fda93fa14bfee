"""A script that says success whatever has happened."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.programs import Shell, shell_of
from chaosml.lint.rule import Hit, Rule, Severity
from chaosml.lint.sources import ARGO, SURVEY

__all__ = ["RULE"]

_SUCCESS = ("true", ":", "exit 0")
_TRAP = re.compile(
    r"\btrap\s+(['\"])(?:(?!\1).)*\bexit\s+0\b(?:(?!\1).)*\1[^\n;]*\b(SIG)?(TERM|15)\b", re.S
)


def _check(manifest: Manifest) -> Iterator[Hit]:
    for template in manifest.templates:
        for container in template.containers:
            shell = shell_of(container)
            message = _judge(shell) if shell is not None else None
            if shell is not None and message is not None:
                yield Hit(shell.script, message, template.name)


def _judge(shell: Shell) -> str | None:
    if _TRAP.search(shell.text):
        return "exits 0 on SIGTERM, so that Argo goes on as if the step were done"
    commands = shell.commands
    for command, after in itertools.pairwise(commands):
        if command.program and after.before == "||" and after.text in _SUCCESS:
            return f"makes a success of every failure of {command.program}, an OOM kill included"
    careful = any(command.text.startswith("set -e") for command in commands)
    programs = [command.program for command in commands if command.program]
    if programs and commands[-1].text == "exit 0" and not careful:
        return f"ends with exit 0, whatever became of {programs[-1]}"
    return None


RULE = Rule(
    name="failure-hidden",
    severity=Severity.ERROR,
    summary="a script that exits 0 after a death makes Argo go on with half a model",
    why="""\
Argo believes the exit code. A container that ends with 0 has `Succeeded`, even while its pod is
being deleted, and the next step takes a half-trained model. `trap 'exit 0' TERM` does this on
every preemption that Argo sees (with `ARGO_POD_STATUS_CAPTURE_FINALIZER` on that is nearly all of
them); `|| true` and a last `exit 0` do it when the program is killed for memory or ends itself on
a notice.""",
    fix="let the exit code through; after saving on SIGTERM end with 143",
    sources=(
        f"{ARGO}/workflow/controller/operator.go#L1471-L1545",
        SURVEY,
    ),
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
        command: [bash, -c]
        args:
        - |  # found
          trap 'kill $PID; wait $PID; exit 0' TERM
          python train.py & PID=$!
          wait $PID
    - name: evaluate
      container:
        image: "trainer@sha256:0f1e"
        command: [bash, -c, "python evaluate.py || true"]  # found
""",
    good="""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: train-}
spec:
  entrypoint: train
  templates:
    - name: train
      container: {image: "trainer@sha256:0f1e", command: [python, train.py]}
""",
    argo=_check,
)
