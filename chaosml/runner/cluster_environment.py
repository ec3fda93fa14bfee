"""Services and substrate in a cluster: taken, filled, and left as it was found."""

from __future__ import annotations

import contextlib
import pathlib
import queue
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from chaosml import clock
from chaosml.cluster.life import up
from chaosml.cluster.options import (
    TOXIPROXY_IMAGE,
    ClusterOptions,
    services_image,
)
from chaosml.errors import UsageError
from chaosml.runner.options import RunOptions
from chaosml.services.client import Services
from chaosml.services.remote import RemoteServices
from chaosml.store.owner import Place
from chaosml.substrates.kubernetes.api import Api, KubernetesApi
from chaosml.substrates.kubernetes.calls import CallLog, RecordingApi, RecordingMachines
from chaosml.substrates.kubernetes.janitor_pod import JanitorPod
from chaosml.substrates.kubernetes.kind import KindSubstrate
from chaosml.substrates.kubernetes.machines import KindMachines, Machines
from chaosml.substrates.kubernetes.metadata_address import MetadataAddress
from chaosml.substrates.kubernetes.names import ACCOUNT
from chaosml.substrates.kubernetes.services_pod import ServicesPod
from chaosml.substrates.kubernetes.substrate import KubernetesSubstrate
from chaosml.substrates.protocol import Substrate
from chaosml.translation import Clocks

__all__ = [
    "CALLS",
    "Parts",
    "Startable",
    "Target",
    "assemble",
    "foreseen",
    "occupy",
    "open_cluster",
]


CALLS = "calls.jsonl"
"""In the run directory: every call of the API."""

_NO_JANITOR = (
    f"no service account {ACCOUNT} in the namespace, so no janitor: should this command be killed, "
    "`chaosml recover` or the next run heals; `chaosml doctor` prints what to create"
)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a run happens."""

    context: str
    namespace: str
    image: str
    """Of the services."""


@contextlib.contextmanager
def open_cluster(
    options: RunOptions,
    *,
    run: str,
    directory: pathlib.Path,
    toxiproxy: bool,
    handler: bool = False,
    inbox: queue.SimpleQueue[tuple[object, Any]],
    tell: Callable[[str], None],
) -> Iterator[tuple[Substrate, Services]]:
    """Prepare the namespace, start the services in it; end both, whatever happens.

    A kind cluster of ours that is not there is made, and stays for the next run.

    Args:
        options: Which cluster, and where in it.
        run: Name of the run; marks what is ours.
        directory: Of the run.
        toxiproxy: Whether Toxiproxy is to run beside the services.
        handler: Whether a termination handler of the cluster is to find our metadata service.
        inbox: Gets what substrate and services report.
        tell: Called with what is being done.

    Raises:
        UsageError: no context is named, or there is no such context.
        HarnessError: the cluster cannot be used.
    """
    place = _find(options, tell)
    with contextlib.ExitStack() as stack:
        log = CallLog(directory / CALLS)
        stack.callback(log.close)
        api = RecordingApi(KubernetesApi(place.context), log.take)
        clocks = Clocks(clock.boot_id())
        machines = RecordingMachines(KindMachines(options.cluster), log.take)
        parts = assemble(
            options,
            api=api,
            machines=machines if options.on == "kind" else None,
            place=place,
            run=run,
            toxiproxy=toxiproxy,
            inbox=inbox,
            tell=tell,
            clocks=clocks,
        )
        services = RemoteServices(
            inbox,
            run=run,
            directory=directory,
            dial=parts.pod.dial,
            toxiproxy=toxiproxy,
            clocks=clocks,
        )
        occupy(stack, parts, services, tell)
        if handler:
            address = MetadataAddress(api, place.namespace, run)
            stack.callback(address.remove)
            url = address.publish(services.endpoints.metadata_url)
            tell(f"metadata of nodes: {url}/nodes/NODE")
        yield parts.substrate, services


class Startable(Protocol):
    """The services, as far as they are started and ended."""

    def start(self) -> None:
        """Connect to them."""

    def close(self) -> None:
        """Leave them."""


def occupy(
    stack: contextlib.ExitStack, parts: Parts, services: Startable, tell: Callable[[str], None]
) -> None:
    """Take the namespace and start everything in it; the stack gives it back in reverse order.

    Raises:
        HarnessError: the cluster cannot be used.
    """
    stack.callback(parts.substrate.close)
    parts.substrate.prepare()
    stack.callback(parts.janitor.remove)
    guarded = parts.janitor.start()
    stack.callback(parts.pod.remove)
    parts.pod.start()
    if guarded:
        parts.janitor.await_running()
    else:
        tell(_NO_JANITOR)
    stack.callback(services.close)
    services.start()


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything of a run that calls the API."""

    substrate: KubernetesSubstrate
    janitor: JanitorPod
    pod: ServicesPod


def assemble(
    options: RunOptions,
    *,
    api: Api,
    machines: Machines | None,
    place: Target,
    run: str,
    toxiproxy: bool,
    inbox: queue.SimpleQueue[tuple[object, Any]],
    tell: Callable[[str], None],
    clocks: Clocks | None = None,
) -> Parts:
    """Put the parts together; nothing is called yet.

    Args:
        options: Of the run.
        api: The cluster.
        machines: The workers of a kind cluster; None elsewhere.
        place: Where in the cluster.
        run: Name of the run.
        toxiproxy: Whether Toxiproxy is to run beside the services.
        inbox: Gets what the substrate reports.
        tell: Called with what is being done.
        clocks: Learn how the clocks of the cluster stand to ours.
    """
    namespace = place.namespace
    substrate: KubernetesSubstrate
    if machines is not None:
        substrate = KindSubstrate(
            inbox,
            api=api,
            machines=machines,
            namespace=namespace,
            run=run,
            clocks=clocks,
            tell=tell,
        )
    else:
        substrate = KubernetesSubstrate(
            inbox, api=api, namespace=namespace, run=run, clocks=clocks, tell=tell
        )
    return Parts(
        substrate,
        JanitorPod(api, namespace=namespace, run=run, image=place.image),
        ServicesPod(
            api,
            namespace=namespace,
            run=run,
            image=place.image,
            toxiproxy_image=(options.toxiproxy_image or TOXIPROXY_IMAGE) if toxiproxy else None,
        ),
    )


def foreseen(options: RunOptions, place: Place) -> Target:
    """Return where a run would happen, without making anything."""
    return Target(place.context, place.namespace, options.image or services_image())


def _find(options: RunOptions, tell: Callable[[str], None]) -> Target:
    place = options.place
    if place is None:
        raise UsageError("an embedded run has no cluster")
    if options.on == "kind":
        wanted = ClusterOptions(
            name=options.cluster,
            namespace=place.namespace,
            image=options.image,
            toxiproxy_image=options.toxiproxy_image or TOXIPROXY_IMAGE,
        )
        info = up(wanted, tell)
        return Target(info.context, info.namespace, info.image)
    return foreseen(options, place)
