"""Services and substrate in a cluster: taken, filled, and left as it was found."""

from __future__ import annotations

import contextlib
import pathlib
import queue
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from chaosml.cluster.life import up
from chaosml.cluster.options import NAMESPACE, ClusterOptions, services_image
from chaosml.errors import UsageError
from chaosml.runner.options import RunOptions
from chaosml.services.client import Services
from chaosml.services.remote import RemoteServices
from chaosml.substrates.kubernetes.api import KubernetesApi
from chaosml.substrates.kubernetes.kind import KindSubstrate
from chaosml.substrates.kubernetes.machines import KindMachines
from chaosml.substrates.kubernetes.services_pod import ServicesPod
from chaosml.substrates.kubernetes.substrate import KubernetesSubstrate
from chaosml.substrates.protocol import Substrate

__all__ = ["open_cluster"]


@dataclass(frozen=True, slots=True)
class _Place:
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
    inbox: queue.SimpleQueue[tuple[object, Any]],
    tell: Callable[[str], None],
) -> Iterator[tuple[Substrate, Services]]:
    """Prepare the namespace, start the services in it; end both, whatever happens.

    A kind cluster of ours that is not there is made, and stays for the next run.

    Args:
        options: Which cluster, and where in it.
        run: Name of the run; marks what is ours.
        directory: Of the run.
        inbox: Gets what substrate and services report.
        tell: Called with what is being done.

    Raises:
        UsageError: no context is named, or there is no such context.
        HarnessError: the cluster cannot be used.
    """
    place = _find(options, tell)
    api = KubernetesApi(place.context)
    substrate: KubernetesSubstrate
    if options.on == "kind":
        machines = KindMachines(options.cluster)
        substrate = KindSubstrate(
            inbox, api=api, machines=machines, namespace=place.namespace, run=run
        )
    else:
        substrate = KubernetesSubstrate(inbox, api=api, namespace=place.namespace, run=run)
    pod = ServicesPod(api, namespace=place.namespace, run=run, image=place.image)
    services = RemoteServices(inbox, run=run, directory=directory, dial=pod.dial)
    with contextlib.ExitStack() as stack:
        stack.callback(substrate.close)
        substrate.prepare()
        stack.callback(pod.remove)
        pod.start()
        stack.callback(services.close)
        services.start()
        yield substrate, services


def _find(options: RunOptions, tell: Callable[[str], None]) -> _Place:
    namespace = options.namespace or NAMESPACE
    if options.on == "kind":
        wanted = ClusterOptions(name=options.cluster, namespace=namespace, image=options.image)
        info = up(wanted, tell)
        return _Place(info.context, info.namespace, info.image)
    if options.context is None:
        raise UsageError(
            "name the context: --on cluster --context NAME; none is taken by default, because "
            "faults would strike there (`kubectl config get-contexts` lists what is there)"
        )
    return _Place(options.context, namespace, options.image or services_image())
