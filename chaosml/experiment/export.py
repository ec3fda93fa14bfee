"""A scenario as an experiment of the Chaos Toolkit: what `chaos run` executes.

The method is one action, the whole run. The hypothesis asks after it, and after it only, what
came out: before, there is nothing to ask about, and an experiment whose gate is not met
would look like a success. The rollback heals what a killed run left, always.
"""

from __future__ import annotations

import json
import pathlib
from typing import Any

from chaosml.plan.model import Plan
from chaosml.runner.options import RunOptions
from chaosml.scenario.load import LoadedScenario

__all__ = ["ACTION", "ACTIONS", "PROBES", "experiment_of", "render"]

ACTIONS = "chaosml.chaostoolkit.actions"
PROBES = "chaosml.chaostoolkit.probes"
ACTION = "run_scenario"
"""The action whose output names the run."""
_SECRETS = "chaosml"
_SPARE_S = 300.0
"""Beyond the deadlines of all executions: the start of a cluster, the end of services."""


def experiment_of(
    path: pathlib.Path, loaded: LoadedScenario, planned: Plan, options: RunOptions
) -> dict[str, Any]:
    """Return the experiment that runs a scenario as `chaosml run` would with these options.

    Args:
        path: The scenario as it shall be named: `CHAOSML_SCENARIO` puts another in its place.
        loaded: The scenario.
        planned: Its plan: the seed is fixed, and so is what will be done.
        options: Of the run.
    """
    scenario = loaded.scenario
    secrets = _variables(loaded)
    action = _python(ACTIONS, ACTION, _arguments(path, loaded, planned, options))
    if secrets:
        action["secrets"] = [_SECRETS]
    return {
        "version": "1.0.0",
        "title": f"chaosml: {scenario.metadata.name}",
        "description": scenario.metadata.description or f"The scenario {scenario.metadata.name}.",
        "tags": ["chaosml"],
        "configuration": {
            "scenario": {"type": "env", "key": "CHAOSML_SCENARIO", "default": str(path)},
            "reports": {"type": "env", "key": "CHAOSML_REPORTS", "default": str(options.reports)},
        },
        **_secrets(secrets),
        "runtime": {
            "hypothesis": {"strategy": "after-method-only"},
            "rollbacks": {"strategy": "always"},
        },
        "steady-state-hypothesis": {
            "title": "every expectation of the scenario holds, and every fault has its receipt",
            "probes": [
                {
                    "type": "probe",
                    "name": "status-of-the-run",
                    "tolerance": "PASS",
                    "provider": _python(PROBES, "run_status", {}),
                }
            ],
        },
        "method": [{"type": "action", "name": "run-the-scenario", "provider": action}],
        "rollbacks": [
            {
                "type": "action",
                "name": "heal-what-was-left",
                "provider": _python(ACTIONS, "recover", {"reports": "${reports}"}),
            }
        ],
    }


def render(experiment: dict[str, Any]) -> str:
    """Return the document."""
    return json.dumps(experiment, indent=2, ensure_ascii=False) + "\n"


def _arguments(
    path: pathlib.Path, loaded: LoadedScenario, planned: Plan, options: RunOptions
) -> dict[str, Any]:
    executions = planned.controls_max + len(planned.trials)
    chosen = {
        "on": None if options.on == "embedded" else options.on,
        "context": options.context,
        "namespace": options.namespace,
        "pipeline": None if options.pipeline is None else str(options.pipeline),
        "trials": options.trials,
        "seed": planned.seed,
        "set_values": dict(options.set_values),
    }
    given = {name: choice for name, choice in chosen.items() if choice not in (None, {})}
    return {
        "scenario": "${scenario}",
        "reports": "${reports}",
        **given,
        "timeout": executions * loaded.scenario.deadline + _SPARE_S,
    }


def _variables(loaded: LoadedScenario) -> list[str]:
    """Return the names of the environment variables that the run reads secrets from."""
    found = {
        variable for keys in loaded.scenario.embedded.secrets.values() for variable in keys.values()
    }
    for options in loaded.options.values():
        found |= set(getattr(options, "environment", ()))
    return sorted(found)


def _secrets(names: list[str]) -> dict[str, Any]:
    """Return where the toolkit finds them, for an experiment that needs some."""
    found = {name: {"type": "env", "key": name} for name in names}
    return {"secrets": {_SECRETS: found}} if found else {}


def _python(module: str, func: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"type": "python", "module": module, "func": func, "arguments": arguments}
