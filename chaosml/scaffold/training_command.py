"""A plain training command as a workflow of one task.

`{store}`, `{bucket}` and `{run}` in the command stand for what is each execution's own.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chaosml.errors import UsageError
from chaosml.scaffold.subject import Image, Subject, Task
from chaosml.substrates.embedded.staging import COPIED_BYTES_MAX, measure

__all__ = ["TASK", "TrainingCommand", "read_environment"]

TASK = "train"
_PLACES = ("bucket", "run", "store")
_HOLE = re.compile(r"\{([A-Za-z_]+)\}")
_SYSTEM = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_STARTERS = frozenset({"python", "python3", "torchrun", "accelerate", "bash", "sh", "-m", "launch"})
_WORKFLOW = """\
# One training command as an Argo Workflow, written by `chaosml init`. On a cluster put your own
# image in the place of {image}; here, a copy of this folder and a Python stand for it.
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata:
  generateName: {name}-
spec:
  entrypoint: {task}
  # Kubernetes grants 30 s between SIGTERM and SIGKILL; AWS gives notice two minutes ahead.
  podSpecPatch: '{{"terminationGracePeriodSeconds": 100}}'
  arguments:
    parameters:
      - {{name: bucket, value: {name}}}
{run}  templates:
    - name: {task}
{retry}      container:
        # chaosml: ignore[image-tag] it stands for a local folder, and no registry has it
        image: {image}
        command: {command}
{environment}"""
_RETRY = """\
      # A dead pod is an Error ("pod deleted") or Failed (143, 137): only Always retries both.
      retryStrategy:
        limit: "5"
        retryPolicy: Always
        backoff: {duration: "1", factor: "2", cap: "30"}
"""
_RUN = "      - {{name: run, value: {name}}}\n"


def read_environment(given: Sequence[str]) -> dict[str, str]:
    """Return the variables of `--env NAME=VALUE`.

    Raises:
        UsageError: one of them is something else.
    """
    found = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise UsageError(f"--env {one}: is not NAME=VALUE, such as CKPT_DIR={{store}}")
        found[name] = value
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingCommand:
    """What the user types to train."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    folder: pathlib.Path
    """From where the user calls it."""
    name: str

    @classmethod
    def parse(
        cls,
        argv: Sequence[str],
        environment: Mapping[str, str],
        folder: pathlib.Path,
        name: str | None,
    ) -> TrainingCommand:
        """Check a command.

        Raises:
            UsageError: everything that is wrong with it.
        """
        found = cls(
            argv=tuple(argv),
            environment=environment,
            folder=folder,
            name=name or _name_of(argv),
        )
        problems = list(found._problems())
        if problems:
            raise UsageError("\n".join(problems))
        return found

    def _problems(self) -> Sequence[str]:
        problems = []
        for text in (*self.argv, *self.environment.values()):
            if "{{" in text:
                problems.append(f"{text!r}: Argo takes {{{{…}}}} for a variable of its own")
                continue
            for hole in _HOLE.findall(text):
                if hole not in _PLACES and len(hole) > 1:
                    known = ", ".join(f"{{{one}}}" for one in _PLACES)
                    problems.append(
                        f"{text!r}: nothing is put in for {{{hole}}}; there are {known}"
                    )
        if self._program() is None:
            advice = f"; write: python {self.text}" if self.argv[0].endswith(".py") else ""
            problems.append(
                f"{self.argv[0]!r}: there is no such program on your PATH or in {self.folder}"
                + advice
            )
        if measure(str(self.folder)) > COPIED_BYTES_MAX:
            problems.append(
                f"{self.folder}: over {COPIED_BYTES_MAX >> 20} MiB, and every pod gets a copy of "
                "it as its working directory; call init from a folder that holds the program "
                "alone, and give data by absolute paths"
            )
        return problems

    def _program(self) -> pathlib.Path | None:
        if "/" in self.argv[0]:
            path = self.folder / self.argv[0]
            return path if path.is_file() else None
        found = shutil.which(self.argv[0])
        return None if found is None else pathlib.Path(found).absolute()

    @property
    def text(self) -> str:
        """As it was typed."""
        return shlex.join(self.argv)

    @property
    def uses_store(self) -> bool:
        """Whether it is told where the store is."""
        texts = (*self.argv, *self.environment.values())
        return any(f"{{{place}}}" in text for text in texts for place in ("store", "bucket"))

    @property
    def _uses_run(self) -> bool:
        return any("{run}" in text for text in (*self.argv, *self.environment.values()))

    @property
    def _image(self) -> str:
        return f"{self.name}:local"

    def _fill(self, text: str) -> str:
        values = {
            "store": f"s3://{{{{workflow.parameters.bucket}}}}/{self.name}",
            "bucket": "{{workflow.parameters.bucket}}",
            "run": "{{workflow.parameters.run}}",
        }
        return _HOLE.sub(lambda hole: values.get(hole[1], hole[0]), text)

    def _command(self) -> list[str]:
        """Return the command line as a pod can start it: by its path where PATH is not enough."""
        program = self._program()
        assert program is not None
        argv = [self._fill(one) for one in self.argv]
        folders = {str(_python_beside(program).parent), *_SYSTEM}
        if "/" not in self.argv[0] and str(program.parent) not in folders:
            argv[0] = str(program)
        return argv

    def workflow(self, *, retried: bool = True) -> str:
        """Return the workflow document."""
        pairs = [
            f"          - {{name: {name}, value: {json.dumps(self._fill(value))}}}\n"
            for name, value in self.environment.items()
        ]
        return _WORKFLOW.format(
            name=self.name,
            task=TASK,
            image=self._image,
            run=_RUN.format(name=self.name) if self._uses_run else "",
            retry=_RETRY if retried else "",
            command=json.dumps(self._command(), ensure_ascii=False),
            environment="".join(["        env:\n", *pairs]) if pairs else "",
        )

    def subject(self, workflow: pathlib.Path, scenario: pathlib.Path) -> Subject:
        """Return what is known of it, for a scenario at a place."""
        program = self._program()
        assert program is not None
        beside = _python_beside(program)
        here = scenario.parent.absolute()
        python = None if beside == pathlib.Path(sys.executable) else _relative(beside, here)
        return Subject(
            name=self.name,
            workflow=workflow,
            source=self.text,
            tasks=(Task(TASK, "Always", self.text),),
            training=TASK,
            why_training="the only task",
            parameters={},
            bucket="bucket",
            run_id="run" if self._uses_run else None,
            images=(Image(self._image, python, _relative(self.folder, here, up=True)),),
        )


def _python_beside(program: pathlib.Path) -> pathlib.Path:
    """Return the interpreter that the program belongs to; ours for what is no Python's."""
    if program.name.startswith("python"):
        return program
    for name in ("python", "python3"):
        beside = program.parent / name
        if os.access(beside, os.X_OK) and str(program.parent) not in _SYSTEM:
            return beside
    return pathlib.Path(sys.executable)


def _relative(path: pathlib.Path, folder: pathlib.Path, *, up: bool = False) -> str:
    """Return a path as seen from a folder; one outside of it stays absolute unless `up`."""
    if up or path.is_relative_to(folder):
        return os.path.relpath(path, folder)
    return str(path)


def _name_of(argv: Sequence[str]) -> str:
    """Return a name for a command: that of its script or module."""
    for one in argv:
        stem = pathlib.PurePosixPath(one).name
        if one in _STARTERS or stem in _STARTERS or one.startswith("-"):
            continue
        stem = stem.removesuffix(".py").removesuffix(".sh").rpartition(".")[2]
        name = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:40].strip("-")
        if name:
            return name
    return TASK
