"""Whoever heals in the cluster when a run's command never returns: `python -m …janitor`.

    the run's Lease is there, renewed ─► look again
    gone, or another run's            ─► end
    not renewed for its duration      ─► take it over the version seen, heal, leave word on it, end

The duration is measured on this machine's monotonic clock from when the Lease was seen
to change, so the clocks of two machines are never compared. Writing it over the version
that was seen is the last check: a runner that was only slow has renewed it meanwhile,
and a runner that wakes up later finds that it has lost it.

A killed node of kind cannot be started from inside of the cluster; the word on the Lease
says so, and `chaosml recover` does it.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

from chaosml import clock
from chaosml.errors import SubstrateError
from chaosml.substrates.kubernetes import lease as leases
from chaosml.substrates.kubernetes import leftovers
from chaosml.substrates.kubernetes.api import ApiUnreachable, Objects, delete_if_there, path_of
from chaosml.substrates.kubernetes.in_pod import connect
from chaosml.substrates.kubernetes.lease import Healed, Holding, Lease
from chaosml.substrates.kubernetes.refusals import ApiError

__all__ = ["SUFFIX", "Janitor", "main"]

SUFFIX = "/janitor"
"""Behind the run's name while its janitor holds the Lease."""

_POLL_S = 5.0


@dataclass(slots=True)
class _Seen:
    """A Lease and since when it has not changed."""

    holding: Holding
    since_ns: int


class Janitor:
    """Watches over one run."""

    def __init__(self, api: Objects, *, namespace: str, run: str, pod: str) -> None:
        """Begin with a Lease that was not seen yet.

        Args:
            api: The cluster.
            namespace: Of the run.
            run: Whose Lease it is.
            pod: The janitor's own, which it removes last.
        """
        self._api = api
        self._namespace = namespace
        self._run = run
        self._pod = pod
        self._seen: _Seen | None = None

    def look(self, now_ns: int) -> bool:
        """Look once, and heal where nobody renews the Lease; return whether there is more to do.

        Raises:
            SubstrateError: the API does not answer, or something could not be healed.
        """
        held = leases.find(self._api, self._namespace)
        if held is None or held.holder not in (self._run, self._run + SUFFIX):
            return False
        if self._seen is None or self._seen.holding.renewed != held.renewed:
            self._seen = _Seen(held, now_ns)
            return True
        if now_ns - self._seen.since_ns < leases.DURATION_S * 1_000_000_000:
            return True
        lease = Lease(self._api, self._namespace, self._run + SUFFIX)
        if not lease.take(held):
            return True
        self._heal(lease)
        return False

    def leave(self) -> None:
        """Remove the janitor's own pod."""
        path = path_of("pods", namespace=self._namespace, name=self._pod)
        delete_if_there(self._api, path, {"gracePeriodSeconds": 0})

    def _heal(self, lease: Lease) -> None:
        done: list[str] = []

        def note(what: str) -> None:
            done.append(what)
            lease.renew(clock.monotonic_ns())

        try:
            leftovers.heal(self._api, self._namespace, spare=(self._pod,), done=note)
        except SubstrateError as error:
            done.append(str(error))
        done += [
            f"node {node} is still stopped: `chaosml recover --on kind` starts it"
            for node in sorted(lease.stopped)
        ]
        at = f"{clock.utc_now():%Y-%m-%dT%H:%M:%SZ}"
        lease.release(Healed(run=self._run, at=at, what=tuple(done)))


def main(arguments: list[str] | None = None) -> int:
    """Watch over a run until it has ended; return the exit code."""
    parser = argparse.ArgumentParser(prog="chaosml.substrates.kubernetes.janitor")
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--run", required=True)
    parser.add_argument("--pod", required=True)
    given = parser.parse_args(arguments)
    try:
        janitor = Janitor(connect(), namespace=given.namespace, run=given.run, pod=given.pod)
        _watch(janitor)
        janitor.leave()
    except SubstrateError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _watch(janitor: Janitor) -> None:
    """Look until there is nothing more to do; a server that is away may come back at any time."""
    more = True
    while more:
        try:
            more = janitor.look(clock.monotonic_ns())
        except ApiUnreachable as error:
            sys.stderr.write(f"{error}\n")
        except ApiError as error:
            if error.status < 500:
                raise
            sys.stderr.write(f"{error}\n")
        if more:
            clock.pause(_POLL_S)


if __name__ == "__main__":
    sys.exit(main())
