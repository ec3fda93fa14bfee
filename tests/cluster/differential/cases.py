"""What is run on both sides: the documents, and one workflow for every policy and way to die."""

from __future__ import annotations

import itertools
import pathlib
from dataclasses import dataclass
from typing import Any

import yaml

__all__ = ["DEATHS", "DOCUMENTS", "UNTIL", "WAYS", "WRONG", "Case"]

_FOLDER = pathlib.Path(__file__).parent
_POLICIES = ("none", "OnFailure", "OnError", "Always", "OnTransientError")
WAYS = ("delete", "delete-exit-0", "evict", "force", "kill")
"""Deletion through the API (of a program that dies of SIGTERM, of one that then exits with 0),
eviction, deletion without grace, SIGKILL of the process."""
UNTIL = "until"
"""The workflow parameter with the time, in seconds since 1970, at which a program that is struck
ends otherwise; every further pod of it, too, so that none lives longer than it must."""


@dataclass(frozen=True)
class Case:
    """One workflow, with the WorkflowTemplates that it refers to."""

    name: str
    documents: tuple[dict[str, Any], ...]
    way: str | None = None
    """How its first pod dies; None where nothing is done to it."""

    def write(self, folder: pathlib.Path) -> pathlib.Path:
        path = folder / f"{self.name}.yaml"
        path.write_text(yaml.safe_dump_all(self.documents, sort_keys=False))
        return path


def _read(path: pathlib.Path) -> Case:
    return Case(path.stem, tuple(yaml.safe_load_all(path.read_text())))


def _death(policy: str, way: str) -> Case:
    document = yaml.safe_load((_FOLDER / "deaths.yaml").read_text())
    template = document["spec"]["templates"][1]
    if policy != "none":
        template["retryStrategy"] = {"limit": 1, "retryPolicy": policy}
    if way == "delete-exit-0":
        [script] = template["container"]["args"]
        waiting = script.replace("exec sleep", "sleep").rstrip()
        template["container"]["args"] = [f"trap 'exit 0' TERM\n{waiting} & wait\n"]
    return Case(f"death-{way}-{policy.lower()}", (document,), way)


_READ = [_read(path) for path in sorted((_FOLDER / "documents").glob("*.yaml"))]
WRONG = [case for case in _READ if case.name.startswith("wrong-")]
DOCUMENTS = [case for case in _READ if case not in WRONG]
DEATHS = [_death(policy, way) for way, policy in itertools.product(WAYS, _POLICIES)]
