"""What embedded executions stand on: the services and the substrate, started and ended together."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from chaosml.services.client import Services
from chaosml.substrates.embedded.substrate import EmbeddedSubstrate

__all__ = ["started"]


@contextlib.contextmanager
def started(services: Services, substrate: EmbeddedSubstrate) -> Iterator[None]:
    """Start both side by side, the services first, which may be a fork; end both at the end.

    Raises:
        ServiceError: a service does not listen in time.
        SubstrateError: this is not Linux, or the kubelet does not get ready.
    """
    with contextlib.closing(services), contextlib.closing(substrate):
        services.begin()
        substrate.begin()
        services.wait_ready()
        substrate.prepare()
        yield
