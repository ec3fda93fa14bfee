"""The ways from targeted tasks to services that faults can make worse: one proxy each.

    pod ─► Toxiproxy ─► gate ─► store
    pod ─► Toxiproxy ─► relay ─► any other service

A proxy is only where a fault of the scenario needs one, and there in every execution, the
controls too. The pods of a task get its address through their template: tasks that share
a template share the way. An address that a workflow parameter carries is everybody's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

from chaosml import clock
from chaosml.errors import ServiceError
from chaosml.event import ToxicAdded, ToxicRemoved
from chaosml.faults import script as steps
from chaosml.faults.catalogue import CATALOGUE
from chaosml.faults.degradation import Degradation
from chaosml.scenario.load import LoadedScenario
from chaosml.scenario.model import STORE, Service
from chaosml.services.client import Endpoints, Services
from chaosml.services.messages import Answer, Measure, OpenRelay, Order
from chaosml.workflow.protocol import EnvironmentVariable
from chaosml.workflow.reducer import templates_of

__all__ = ["Driver", "Relays", "Way", "Ways", "create_ways", "is_proxied", "open_ways"]


class Driver(Protocol):
    """What changes a proxy: see `services.proxies`."""

    def create(self, name: str, *, upstream: str, host: str) -> str:
        """Create a proxy; return where it listens."""

    def add(
        self, proxy: str, name: str, type_: str, stream: str, attributes: Mapping[str, int]
    ) -> None:
        """Add a toxic."""

    def remove(self, proxy: str, name: str) -> None:
        """Remove a toxic; one that is not there is left alone."""


@dataclass(frozen=True, slots=True)
class Way:
    """A proxied way."""

    service: str
    proxy: str
    address: str
    """`host:port` where the proxy listens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """The proxied ways of a run; none by default."""

    driver: Driver | None = None
    by_task: Mapping[tuple[str, str], Way] = field(default_factory=dict)
    """By service and task."""
    overlays: Mapping[str, tuple[EnvironmentVariable, ...]] = field(default_factory=dict)
    """By template: the variables that send its pods through the proxies."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Workflow parameters that carry addresses."""

    def add(self, injection: str, toxic: steps.AddToxic) -> tuple[str, ToxicAdded]:
        """Add a toxic; return subject and fact.

        Raises:
            ServiceError: Toxiproxy does not do it.
        """
        way, driver = self._find(toxic.service, toxic.task)
        asked_ns = clock.monotonic_ns()
        driver.add(way.proxy, toxic.name, toxic.type, toxic.stream, toxic.attributes)
        return f"proxy/{way.proxy}", ToxicAdded(
            injection=injection,
            proxy=way.proxy,
            toxic=toxic.name,
            type=toxic.type,
            stream=toxic.stream,
            attributes=dict(toxic.attributes),
            asked_ns=asked_ns,
        )

    def remove(self, injection: str, toxic: steps.RemoveToxic) -> tuple[str, ToxicRemoved]:
        """Remove a toxic; return subject and fact.

        Raises:
            ServiceError: Toxiproxy does not do it.
        """
        way, driver = self._find(toxic.service, toxic.task)
        asked_ns = clock.monotonic_ns()
        driver.remove(way.proxy, toxic.name)
        return f"proxy/{way.proxy}", ToxicRemoved(
            injection=injection, proxy=way.proxy, toxic=toxic.name, asked_ns=asked_ns
        )

    def canary(self, injection: str, wanted: steps.Measure) -> Measure:
        """Return the order for a canary.

        Raises:
            ServiceError: the way is not proxied.
        """
        way, _ = self._find(wanted.service, wanted.task)
        return Measure(
            injection=injection,
            proxy=way.proxy,
            when=wanted.when,
            address=way.address,
            http=way.service == STORE,
            upload_bytes=wanted.upload_bytes,
            download_bytes=wanted.download_bytes,
            samples=wanted.samples,
            limit_s=wanted.limit_s,
        )

    def _find(self, service: str, task: str) -> tuple[Way, Driver]:
        way = self.by_task.get((service, task))
        if way is None or self.driver is None:
            raise ServiceError(f"no proxy stands between {task!r} and the service {service!r}")
        return way, self.driver


def is_proxied(loaded: LoadedScenario) -> bool:
    """Whether any fault of the scenario needs a proxy."""
    return next(_wanted(loaded), None) is not None


def _wanted(loaded: LoadedScenario) -> Iterator[tuple[str, str]]:
    """Yield service and task of every fault that acts on a proxied way."""
    for fault in loaded.scenario.faults:
        kind = CATALOGUE[fault.inject]
        if isinstance(kind, Degradation) and kind.proxied:
            yield kind.service(loaded.options[fault.name]), fault.target.task


def open_ways(loaded: LoadedScenario, services: Services) -> Ways:
    """Create the proxies that the scenario's faults need, in front of running services.

    Raises:
        ServiceError: Toxiproxy or a relay cannot be had.
    """
    if not is_proxied(loaded):
        return Ways(parameters=_direct(loaded.scenario.services))
    # Imported here: the library and its HTTP client are for such scenarios alone.
    from chaosml.services.proxies import Proxies

    url = services.endpoints.toxiproxy_url
    if url is None:
        raise ServiceError("the services were started without Toxiproxy")
    driver = Proxies(url)
    driver.wait(services.check)
    return create_ways(loaded, services, driver)


def _direct(services: Mapping[str, Service]) -> dict[str, str]:
    return {
        service.parameter: service.render(service.upstream)
        for service in services.values()
        if service.parameter is not None
    }


class Relays(Protocol):
    """The services, as far as ways go through them."""

    @property
    def endpoints(self) -> Endpoints:
        """Where they are."""

    def call(self, order: Order) -> Answer:
        """Ask them."""


def create_ways(loaded: LoadedScenario, services: Relays, driver: Driver) -> Ways:
    """Create the proxies that the scenario's faults need: of a run, or of what stands for one."""
    wanted = list(dict.fromkeys(_wanted(loaded)))
    if not wanted:
        return Ways(parameters=_direct(loaded.scenario.services))
    return _Opening(loaded, services, driver).open(wanted)


class _Opening:
    """Creates proxies, one for each service and group of tasks that share templates."""

    def __init__(self, loaded: LoadedScenario, services: Relays, driver: Driver) -> None:
        self._known = loaded.scenario.services
        self._workflow = loaded.workflow.model
        self._services = services
        self._driver = driver
        self._by_template: dict[tuple[str, str], Way] = {}
        self._shared: dict[str, Way] = {}

    def open(self, wanted: Sequence[tuple[str, str]]) -> Ways:
        """Return the ways for these services and tasks."""
        for service, task in wanted:
            self._open_one(service, task)
        by_task = {
            (service, task): self._shared.get(service)
            or self._by_template[service, templates_of(self._workflow, task)[0]]
            for service, task in wanted
        }
        parameters = _direct(self._known)
        for name, way in self._shared.items():
            parameter = self._known[name].parameter
            if parameter is not None:
                parameters[parameter] = self._known[name].render(way.address)
        return Ways(
            driver=self._driver,
            by_task=by_task,
            overlays=self._overlays(),
            parameters=parameters,
        )

    def _open_one(self, service: str, task: str) -> None:
        if service != STORE and self._known[service].parameter is not None:
            if service not in self._shared:
                self._shared[service] = self._create(service, service)
            return
        templates = templates_of(self._workflow, task)
        found = (self._by_template.get((service, template)) for template in templates)
        way = next((one for one in found if one is not None), None)
        if way is None:
            way = self._create(service, f"{service}.{task}")
        self._by_template.update({(service, template): way for template in templates})

    def _create(self, service: str, proxy: str) -> Way:
        gate = urlsplit(self._services.endpoints.gate_url)
        upstream: str | None = gate.netloc
        if service != STORE:
            order = OpenRelay(proxy=proxy, upstream=self._known[service].upstream)
            upstream = self._services.call(order).address
        if upstream is None:
            raise ServiceError(f"the services opened no relay for {service!r}")
        host = gate.hostname or "127.0.0.1"
        address = self._driver.create(proxy, upstream=upstream, host=host)
        return Way(service, proxy, address)

    def _overlays(self) -> dict[str, tuple[EnvironmentVariable, ...]]:
        overlays: dict[str, tuple[EnvironmentVariable, ...]] = {}
        for (service, template), way in self._by_template.items():
            if service == STORE:
                name, value = "AWS_ENDPOINT_URL_S3", f"http://{way.address}"
            else:
                known = self._known[service]
                name, value = known.environment or "", known.render(way.address)
            variable = EnvironmentVariable(name, value=value)
            overlays[template] = (*overlays.get(template, ()), variable)
        return overlays
