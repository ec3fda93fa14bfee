"""How a defect is planted into a Workflow document: another program, argument, retry or grace."""

from __future__ import annotations

import json
from typing import Any

from chaosml.selftest.model import Edit

__all__ = ["argument", "defective", "grace", "retries"]

_PODS = "chaosml.selftest.pods"
_ATTEMPT = "ATTEMPT"


def argument(*words: str, task: str = "train") -> Edit:
    """Return the edit that tells the program of a task something more."""

    def edit(document: dict[str, Any]) -> None:
        _template(document, task)["container"]["args"].extend(words)

    return edit


def defective(*arguments: str, task: str = "train") -> Edit:
    """Return the edit that runs the defective program of a task instead of the reference's."""

    def edit(document: dict[str, Any]) -> None:
        container = _template(document, task)["container"]
        container["command"] = ["python", "-m", f"{_PODS}.{task}"]
        container["args"].extend(arguments)

    return edit


def retries(strategy: dict[str, Any] | None) -> Edit:
    """Return the edit that gives every task this retry strategy, or none."""

    def edit(document: dict[str, Any]) -> None:
        for template in document["spec"]["templates"]:
            if "retryStrategy" not in template:
                continue
            if strategy is not None:
                template["retryStrategy"] = dict(strategy)
                continue
            del template["retryStrategy"]
            for variable in template["container"]["env"]:
                if variable["name"] == _ATTEMPT:
                    # {{retries}} exists only where there is a retryStrategy.
                    variable["value"] = "0"

    return edit


def grace(seconds: int) -> Edit:
    """Return the edit that changes the time between SIGTERM and SIGKILL."""

    def edit(document: dict[str, Any]) -> None:
        document["spec"]["podSpecPatch"] = json.dumps({"terminationGracePeriodSeconds": seconds})

    return edit


def _template(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        template for template in document["spec"]["templates"] if template["name"] == name
    )
    return found
