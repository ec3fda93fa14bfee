"""`chaostoolkit`: any action of a Chaos Toolkit extension is the fault.

Mechanism: the action is called by a child process of its own, in its main thread, with a time
limit; only there is the toolkit imported. No experiment is run: the toolkit's own verdicts,
which an unmet hypothesis or an action that raises leaves at `completed`, decide nothing here.
Secrets and configuration are named by the environment variables that hold them; no value is
recorded.
Permissions: those of the action. Heal: the action `undo`, after `for`, at the end of the
execution, or by `chaosml recover`; it must do no harm when it is done twice.
Receipt: a probe whose value meets its tolerance, asked again and again until it does.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer

from chaosml.faults.commanding import (
    Commanded,
    CommandedOptions,
    Programs,
    Variable,
    carry_out,
    check_words,
)
from chaosml.faults.program import Program, fill
from chaosml.faults.script import Scene, Script

__all__ = ["ACTIVITY", "Call", "ChaosToolkit", "ChaosToolkitOptions", "Probe"]

ACTIVITY = "chaosml.chaostoolkit.activity"
"""The module that is started for each call; it is known by name alone."""
_LIBRARY = "chaoslib"
_INSTALL = (
    "the Chaos Toolkit is not installed beside chaosml: "
    "`pip install 'chaosml[chaostoolkit]'` (Python 3.12 or later), and the extension with it"
)


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


_Arguments = Annotated[dict[str, Any], AfterValidator(check_words)]


def _check_tolerance(value: Any) -> Any:
    if value is None:
        raise ValueError("is no tolerance; say what the probe must return")
    return value


class Call(BaseModel):
    """A function of an extension and what it is called with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    module: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*$")]
    """Where it is."""
    func: Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")]
    """Its name."""
    arguments: _Arguments = {}
    """What it is called with."""


class Probe(Call):
    """A probe and what it must return."""

    tolerance: Annotated[Any, AfterValidator(_check_tolerance)]
    """A value, a list of two for a range, or a mapping, as in a hypothesis of the toolkit."""


def _show(call: Call) -> str:
    return _json(call.model_dump(mode="json"))


class ChaosToolkitOptions(CommandedOptions):
    """Options of `chaostoolkit`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "module": "ourcloud.network.actions",
                    "func": "partition",
                    "arguments": {"pod": "{pod}"},
                    "receipt": {
                        "module": "ourcloud.network.probes",
                        "func": "is_reachable",
                        "arguments": {"pod": "{pod}"},
                        "tolerance": False,
                    },
                    "secrets": {"token": "OURCLOUD_TOKEN"},
                }
            ]
        }
    )

    module: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*$")]
    """Where the action is, such as `chaosk8s.pod.actions`."""
    func: Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")]
    """The action."""
    arguments: Annotated[_Arguments, PlainSerializer(_json, return_type=str)] = {}
    """What it is called with."""
    receipt: Annotated[Probe, PlainSerializer(_show, return_type=str)]
    """The probe that says whether it took effect: module, func, arguments, tolerance."""
    undo: Annotated[Call, PlainSerializer(_show, return_type=str)] | None = None
    """The action that takes it back: module, func, arguments."""
    configuration: Annotated[dict[str, Variable], PlainSerializer(_json, return_type=str)] = {}
    """Key to the name of the environment variable that holds the value."""
    secrets: Annotated[dict[str, Variable], PlainSerializer(_json, return_type=str)] = {}
    """Key to the name of the environment variable that holds the value."""

    def variables(self) -> tuple[str, ...]:
        """Return the names of the environment variables that its programs get."""
        return tuple(sorted({*self.configuration.values(), *self.secrets.values()}))


class ChaosToolkit(Commanded):
    """Has an action of the Chaos Toolkit disturb the target."""

    kind = "chaostoolkit"
    options = ChaosToolkitOptions

    def missing(self) -> str | None:
        """Return what is not installed and how it is had; None where all is there."""
        return None if importlib.util.find_spec(_LIBRARY) is not None else _INSTALL

    def script(self, options: ChaosToolkitOptions, view: str | None, scene: Scene) -> Script:
        """Call the action, have its effect confirmed by the probe, take it back."""
        known = scene.known()

        def program(kind: str, call: Mapping[str, Any]) -> Program:
            order = {
                "type": kind,
                **fill(call, known),
                "configuration": options.configuration,
                "secrets": options.secrets,
            }
            return Program(
                argv=(sys.executable, "-m", ACTIVITY, _json(order)),
                environment=options.variables(),
                timeout_s=options.timeout,
                answers=kind == "action",
            )

        action = {"module": options.module, "func": options.func, "arguments": options.arguments}
        undo = None if options.undo is None else options.undo.model_dump(mode="json")
        programs = Programs(
            command=program("action", action),
            receipt=program("probe", options.receipt.model_dump(mode="json")),
            undo=None if undo is None else program("action", undo),
        )
        return carry_out(scene, programs, options)
