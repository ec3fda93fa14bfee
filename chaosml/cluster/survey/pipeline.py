"""The workflow of a trial: one container that runs until it is struck."""

from __future__ import annotations

import json
from typing import Any

from chaosml.cluster.options import REFERENCE_IMAGE
from chaosml.workflow.survey import Cell, Program

__all__ = ["GRACE_S", "LABEL", "workflow"]

LABEL = "chaosml.dev/survey"
"""On the workflows and pods of a survey."""

GRACE_S = 8
"""Grace period of the pods: enough for the work of a program, short for one that ignores it."""

_OUTPUT = "/work/answer"
_PROGRAM = """\
import signal, sys, time

def end(code):
    time.sleep(1)
    with open({output!r}, "w") as file:
        file.write("42")
    sys.exit(code)

{handler}
while True:
    time.sleep(3600)
"""
_HANDLERS = {
    Program.DEFAULT: "",
    Program.EXIT_143: "signal.signal(signal.SIGTERM, lambda *_: end(143))",
    Program.EXIT_0: "signal.signal(signal.SIGTERM, lambda *_: end(0))",
    Program.IGNORE: "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
}


def workflow(name: str, cell: Cell, image: str = REFERENCE_IMAGE) -> dict[str, Any]:
    """Return the document of a trial; the name is also the last argument of its process."""
    program = _PROGRAM.format(output=_OUTPUT, handler=_HANDLERS[cell.program])
    template: dict[str, Any] = {
        "name": "wait",
        "retryStrategy": {"limit": "1", "retryPolicy": "Always"},
        "container": {
            "image": image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["python", "-u", "-c", program],
            "args": [name],
        },
    }
    if cell.outputs:
        answer = {"name": "answer", "valueFrom": {"path": _OUTPUT}}
        template["outputs"] = {"parameters": [answer]}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": name, "labels": {LABEL: "trial"}},
        "spec": {
            "entrypoint": "wait",
            "podMetadata": {"labels": {LABEL: "trial"}},
            "podSpecPatch": json.dumps({"terminationGracePeriodSeconds": GRACE_S}),
            "templates": [template],
        },
    }
