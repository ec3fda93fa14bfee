"""The executions of a run before there is one: addresses and names stand for what is not known.

What is composed is what a run composes; only `RUN`, `PID` and the addresses of the
services are put in where a run knows better.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from chaosml.plan.model import Plan
from chaosml.runner.execution import Setup
from chaosml.runner.setup import Composer
from chaosml.runner.ways import Driver, create_ways
from chaosml.scenario.load import LoadedScenario
from chaosml.services.client import Endpoints
from chaosml.services.messages import Answer, Order

__all__ = ["ENDPOINTS", "NOTE", "ForeseenServices", "compose", "mark", "pod_templates", "setups"]

NOTE = (
    "RUN and PID stand for the name and the process of a run, services.invalid for the address "
    "of its services; they are known once it runs"
)
ENDPOINTS = Endpoints(
    gate_url="http://services.invalid:1",
    control="services.invalid:2",
    metadata_url="http://services.invalid:3",
    store_url="http://services.invalid:4",
    toxiproxy_url="http://services.invalid:8474",
)
_RELAY = "services.invalid:5"
_RUN = "RUN"


class ForeseenServices:
    """Services that do nothing and are nowhere."""

    endpoints = ENDPOINTS

    def call(self, order: Order) -> Answer:
        """Do nothing."""
        return Answer(id=0, address=_RELAY)


@dataclass(frozen=True, slots=True)
class _Nowhere:
    """Proxies whose addresses are not known."""

    def create(self, name: str, *, upstream: str, host: str) -> str:
        """Return what stands for the address of a proxy."""
        return f"{host}:{name}"

    def add(
        self, proxy: str, name: str, type_: str, stream: str, attributes: Mapping[str, int]
    ) -> None:
        """Add nothing."""

    def remove(self, proxy: str, name: str) -> None:
        """Remove nothing."""


def mark(loaded: LoadedScenario) -> str:
    """Return what stands for the mark of a run."""
    return f"{loaded.scenario.metadata.name}-{_RUN}-PID"


def compose(loaded: LoadedScenario, substrate: str, *, driver: Driver | None = None) -> Composer:
    """Return who makes the setups of a run that does not happen.

    Args:
        loaded: The scenario.
        substrate: Name of the substrate.
        driver: Of the proxies; without it they are nowhere.

    Raises:
        ServiceError: a proxy is refused.
    """
    secrets = loaded.scenario.embedded.secrets
    return Composer(
        loaded=loaded,
        run=_RUN,
        endpoints=ENDPOINTS,
        fingerprint={},
        substrate=substrate,
        deadline_s=loaded.scenario.deadline,
        secrets={name: dict.fromkeys(keys, "") for name, keys in secrets.items()},
        ways=create_ways(loaded, ForeseenServices(), driver or _Nowhere()),
    )


def setups(composer: Composer, planned: Plan, folder: pathlib.Path) -> Iterator[Setup]:
    """Yield the setup of every execution: the controls, then the trials.

    Args:
        composer: Who makes them.
        planned: The run.
        folder: Where the executions would write.
    """
    for number in range(1, planned.controls + 1):
        yield composer.control(number, folder / f"control-{number}")
    for trial in planned.trials:
        yield composer.trial(trial, folder / f"trial-{trial.trial}")


def pod_templates(loaded: LoadedScenario) -> list[str]:
    """Return the names of the templates that are pods, in the order of the document."""
    found = loaded.workflow.model.spec.templates
    return [one.name for one in found if one.container is not None or one.script is not None]
