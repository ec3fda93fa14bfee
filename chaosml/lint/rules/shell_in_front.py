"""A shell that ends before the program it has started."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.argo import Manifest
from chaosml.lint.part import Part
from chaosml.lint.programs import Shell, shell_of
from chaosml.lint.rule import Hit, Rule, Set, Severity
from chaosml.lint.sources import ARGO

__all__ = ["RULE"]


def _check(manifest: Manifest) -> Iterator[Hit]:
    for template in manifest.templates:
        for container in template.containers:
            shell = shell_of(container)
            program = shell.shielded() if shell is not None else None
            if shell is None or program is None:
                continue
            message = (
                f"{shell.name} ends at once on SIGTERM and takes the container with it while "
                f"{program} still saves"
            )
            yield Hit(shell.script, message, template.name, _edit(shell, container))


def _edit(shell: Shell, container: Part) -> Set | None:
    if not shell.is_single or container.at("source").exists:
        return None
    return Set(shell.script, f"exec {shell.script.text}")


RULE = Rule(
    name="shell-in-front",
    severity=Severity.ERROR,
    summary="a shell in front of the trainer ends first and cuts its grace period off",
    why="""\
The known story is that a shell as PID 1 swallows the signal. Under Argo it is another one. The
user's command is not PID 1, and Argo's executor gives SIGTERM to its whole process group: the
shell *and* the trainer get it. The trainer begins to save; the shell, which has no trap, dies at
once. Argo waits for the shell alone, so the container ends, and the kernel kills the trainer
after a second or less instead of after the grace period.

Measured with dash 0.5.12 and bash 5.2 and a trainer that needs 1 s to save: behind `sh -c` (dash)
it never saved, not even as the only command. Behind `bash -c` it did where it was the last
command and a simple one, without redirection, which bash replaces itself with; in a script file,
as `script` templates have it, it did not. Behind `exec` it always did. A script with a `trap` is
not judged: it knows about signals. Neither is what runs for a moment, such as `echo`, `aws s3 cp`
or `pip install`.""",
    fix="start the program without a shell, or put exec before it as the last command",
    sources=(
        f"{ARGO}/cmd/argoexec/commands/signal.go#L20-L33",
        f"{ARGO}/workflow/executor/osspecific/signal_linux.go#L11-L58",
        "https://github.com/kubernetes/kubernetes/issues/24695",
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
        command: [sh, -c]
        args: ["python train.py"]  # found
    - name: evaluate
      script:
        image: "trainer@sha256:0f1e"
        command: [bash]
        source: |  # found
          python evaluate.py
          echo done
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
        image: "trainer@sha256:0f1e"
        command: [sh, -c]
        args: ["mkdir -p /tmp/work && exec python train.py"]
    - name: evaluate
      container: {image: "trainer@sha256:0f1e", command: [python, evaluate.py]}
""",
    fixable=True,
    argo=_check,
)
