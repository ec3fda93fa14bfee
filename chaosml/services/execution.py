"""The execution that is going on, as the services know it: its pods, holds and what was said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from chaosml import clock
from chaosml.errors import ServiceError
from chaosml.event import Basis, Emission, Fact, HoldEnded, HoldStarted
from chaosml.services.disturbances import Disturbances
from chaosml.services.messages import AddPod, Rule
from chaosml.services.rules import ArmedRules
from chaosml.services.sources import SOURCES

__all__ = ["Execution", "Hold", "Stage"]

_REASON_S = 0.25
"""How long a hold whose client has left waits for the harness to say why."""


class Execution:
    """One execution, from `Begin` to `End`."""

    def __init__(
        self, name: str, bucket: str, say: Callable[[Emission], None], *, seed: int = 0
    ) -> None:
        self.name = name
        self.bucket = bucket
        self.rules = ArmedRules()
        self.disturbances = Disturbances(f"{seed}/{name}")
        self.requests: set[asyncio.Task[None]] = set()
        """The requests in flight; `End` drains them."""
        self.digests: dict[tuple[str, str, str], tuple[int, str]] = {}
        """Size and SHA-256 by bucket, key and version: a version never changes."""
        self._say = say
        self._pods: dict[str, AddPod] = {}
        self._dead: set[str] = set()
        self._holds: dict[str, Hold] = {}
        self._last = dict.fromkeys(SOURCES, 0)
        self._closed = False

    @property
    def last(self) -> dict[str, int]:
        """The number of the last event of each source."""
        return dict(self._last)

    def emit(
        self,
        source: str,
        subject: str,
        fact: Fact,
        *,
        earliest_ns: int | None = None,
        latest_ns: int | None = None,
    ) -> None:
        """Say a fact; it happened between the stamps, which are now where they are not given."""
        if self._closed:
            return
        now = clock.monotonic_ns()
        self._last[source] += 1
        self._say(
            Emission(
                source=source,
                source_seq=self._last[source],
                earliest_ns=now if earliest_ns is None else earliest_ns,
                latest_ns=now if latest_ns is None else latest_ns,
                basis=Basis.OBSERVED,
                subject=subject,
                data=fact,
            )
        )

    def add_pod(self, pod: AddPod) -> None:
        """Know a pod by its uid, which is its credential."""
        self._pods[pod.uid] = pod

    def find_pod(self, uid: str | None) -> AddPod | None:
        """Return the pod of a credential, None for an unknown one."""
        return self._pods.get(uid) if uid is not None else None

    def is_dead(self, uid: str) -> bool:
        """Whether the harness has said that the pod died."""
        return uid in self._dead

    def hold(self, source: str, rule: Rule, uid: str, *, step: int | None, key: str | None) -> Hold:
        """Begin a hold; it ends by itself after the rule's time."""
        number = f"hold-{len(self._holds) + 1}"
        hold = Hold(execution=self, source=source, number=number, rule=rule, uid=uid)
        self._holds[number] = hold
        self.emit(
            source,
            f"pod/{uid}",
            HoldStarted(hold=number, rule=rule.rule, uid=uid, place=rule.place, step=step, key=key),
        )
        return hold

    def release(self, number: str, why: str) -> None:
        """End a hold; one that has ended stays as it ended.

        Raises:
            ServiceError: there was no such hold.
        """
        if number not in self._holds:
            raise ServiceError(f"no hold {number!r} in {self.name}; it cannot be released")
        self._holds[number].end(why)

    def disarm(self, rule: str) -> None:
        """Take a rule back and end its hold.

        Raises:
            ServiceError: no such rule was ever armed.
        """
        self.rules.disarm(rule)
        for hold in self._holds.values():
            if hold.rule.rule == rule:
                hold.end("disarmed")

    def end_holds(self, uid: str, why: str) -> None:
        """End every hold of a pod."""
        if why == "death":
            self._dead.add(uid)
        for hold in self._holds.values():
            if hold.uid == uid:
                hold.end(why)

    def end_all_holds(self, why: str) -> None:
        """End every hold of every pod."""
        for hold in self._holds.values():
            hold.end(why)

    def close(self) -> None:
        """Say nothing any more."""
        self.end_all_holds("disarmed")
        self._closed = True


class Hold:
    """A pod waits at an armed place until the harness, its death or the time ends that."""

    def __init__(
        self, *, execution: Execution, source: str, number: str, rule: Rule, uid: str
    ) -> None:
        loop = asyncio.get_running_loop()
        self.rule = rule
        self.uid = uid
        self.ended: asyncio.Future[str] = loop.create_future()
        """Why it ended."""
        self._execution = execution
        self._source = source
        self._number = number
        self._left_ns: int | None = None
        self._timer = loop.call_later(rule.hold_s, self.end, "expired")

    def end(self, why: str) -> None:
        """End the hold because of `why`; a second call does nothing."""
        if self.ended.done():
            return
        self._timer.cancel()
        self._execution.emit(
            self._source,
            f"pod/{self.uid}",
            HoldEnded(hold=self._number, why=why),
            earliest_ns=self._left_ns,
        )
        self.ended.set_result(why)

    def leave(self) -> None:
        """State that the client has gone.

        Most clients go because the harness killed them, and the harness says so a moment
        later: that is the better reason. Nothing reaches the store in between.
        """
        if self.ended.done() or self._left_ns is not None:
            return
        self._left_ns = clock.monotonic_ns()
        self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_REASON_S, self.end, "abandoned")


@dataclass(slots=True)
class Stage:
    """What the servers share: the execution that is going on, if one is."""

    execution: Execution | None = None
