"""A place where pipelines run, opened and closed: services, an embedded substrate, an inbox."""

from __future__ import annotations

import contextlib
import pathlib
import queue
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chaosml.reports.progress import Silence
from chaosml.runner.execution import Execution, Setup
from chaosml.runner.interruption import Interruption
from chaosml.runner.life import secrets_of
from chaosml.runner.setup import Composer
from chaosml.runner.ways import Ways, is_proxied, open_ways
from chaosml.scenario.load import LoadedScenario
from chaosml.services.client import Services
from chaosml.store.directory import RunDirectory
from chaosml.substrates.embedded.controller import Controller
from chaosml.substrates.embedded.substrate import EmbeddedSubstrate

__all__ = ["Ground", "open_ground"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Where executions take place."""

    substrate: EmbeddedSubstrate
    services: Services
    inbox: queue.SimpleQueue[tuple[object, Any]]
    ways: Ways
    composer: Composer

    def execute(self, setup: Setup, interruption: Interruption) -> None:
        """Run one execution and show nothing of it."""
        Execution(
            setup,
            substrate=self.substrate,
            services=self.services,
            inbox=self.inbox,
            interruption=interruption,
            progress=Silence(),
            ways=self.ways,
        ).run()


@contextlib.contextmanager
def open_ground(
    loaded: LoadedScenario,
    directory: RunDirectory,
    *,
    workspace: pathlib.Path,
    mark: str,
    logs: pathlib.Path,
    controller: Controller,
    fingerprint: dict[str, str],
    short_lived: bool,
) -> Iterator[Ground]:
    """Start services and substrate; end both, whatever happens.

    Args:
        loaded: The scenario.
        directory: The run that it is for.
        workspace: A folder that nobody else uses.
        mark: Of the run's processes.
        logs: Folder of the services' log.
        controller: Who plays Argo.
        fingerprint: What floating-point results depend on.
        short_lived: Whether many short executions follow one another, none of which is timed:
            they share a kubelet, and the store is in the services' process, which is a fork
            of this one.
    """
    inbox: queue.SimpleQueue[tuple[object, Any]] = queue.SimpleQueue()
    substrate = EmbeddedSubstrate(
        inbox,
        workspace=workspace,
        run=mark,
        nodes=loaded.scenario.embedded.nodes,
        controller=controller,
        keep_kubelet=short_lived,
    )
    services = Services(
        inbox,
        run=mark,
        directory=logs,
        toxiproxy=is_proxied(loaded),
        store_inside=short_lived,
        forked=short_lived,
    )
    with _started(services, substrate):
        ways = open_ways(loaded, services)
        composer = Composer(
            loaded=loaded,
            run=directory.run,
            endpoints=services.endpoints,
            fingerprint=fingerprint,
            substrate=substrate.name,
            deadline_s=loaded.scenario.deadline,
            secrets=secrets_of(loaded),
            ways=ways,
        )
        yield Ground(
            substrate=substrate, services=services, inbox=inbox, ways=ways, composer=composer
        )


@contextlib.contextmanager
def _started(services: Services, substrate: EmbeddedSubstrate) -> Iterator[None]:
    """Start both side by side; the services first, which may be a fork."""
    with contextlib.closing(services), contextlib.closing(substrate):
        services.begin()
        substrate.begin()
        services.wait_ready()
        substrate.prepare()
        yield
