"""`spot.reclaim`: the cloud takes an interruptible node back.

Mechanism, as on AWS: an interruption notice becomes readable on the node's metadata
service; `notice` later the node dies with everything on it.

- `reaction: drain`: a node termination handler reads the notice, cordons the node and
  evicts its pods at once. The kill at the deadline then finds an empty node.
- `reaction: none`: nobody acts; the pod may read the notice itself until the kill.
- `notice: 0s`: no notice at all, which every cloud documents as possible.
- `false-alarm: true`: the notice passes and the node lives.

Capacity returns `capacity-returns-after` the end of the drain, or else after the kill.
Permissions: patch nodes, create evictions; the kill itself where the substrate can stop
nodes. Heal: withdraw the notice, uncordon what still stands, replace what was stopped.
Receipt: the notice readable (and read), the eviction or the node's death, the pod's death.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from chaosml.event import Event, NoticeVisible, PodExited
from chaosml.faults.script import (
    AddNode,
    Also,
    Cordon,
    Evict,
    Notify,
    Pause,
    Release,
    Scene,
    Script,
    StopNode,
    Uncordon,
    Until,
    Withdraw,
)
from chaosml.scenario.model import Boolean, Duration
from chaosml.substrates.protocol import DrainsNodes, EvictsPods, StopsNodes
from chaosml.workflow.views import View, WayToDie, legal_views

__all__ = ["SpotReclaim", "SpotReclaimOptions"]

_NOTICE_READABLE_S = 5.0
_DRAIN_S = 600.0


class SpotReclaimOptions(BaseModel):
    """Options of `spot.reclaim`."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    provider: Literal["aws"] = "aws"
    notice: Duration = 120.0
    """Time from the notice to the kill; `0s`: no notice."""
    reaction: Literal["drain", "none"] = "drain"
    capacity_returns_after: Annotated[Duration | None, Field(alias="capacity-returns-after")] = None
    """When a fresh node joins; default: never, the other nodes must do."""
    false_alarm: Annotated[Boolean, Field(alias="false-alarm")] = False

    @model_validator(mode="after")
    def _check(self) -> SpotReclaimOptions:
        if self.notice == 0 and self.false_alarm:
            raise ValueError("a false alarm needs a notice: give `notice` or drop `false-alarm`")
        return self


class SpotReclaim:
    """Reclaims the node that the target runs on."""

    kind = "spot.reclaim"
    options = SpotReclaimOptions
    capabilities = (DrainsNodes, EvictsPods, StopsNodes)

    def views(self, options: SpotReclaimOptions, *, has_outputs: bool) -> Sequence[View | None]:
        """Return the legal views of the target's death, or None where it need not die."""
        if options.notice == 0:
            return legal_views(WayToDie.NODE_LOST, has_outputs=has_outputs)
        if options.reaction == "drain":
            return legal_views(WayToDie.EVICT, has_outputs=has_outputs)
        if options.false_alarm:
            return (None,)
        return legal_views(WayToDie.SELF, has_outputs=has_outputs)

    def lethal(self, options: SpotReclaimOptions) -> bool:
        """Only a false alarm that nobody acts on leaves the target alive."""
        return not (options.false_alarm and options.reaction == "none")

    def script(self, options: SpotReclaimOptions, view: str | None, scene: Scene) -> Script:
        """Give notice, let the reaction run, kill at the deadline, let capacity return."""
        node = scene.target.node
        if options.notice == 0:
            yield from _kill(node, view or View.RESTARTED, options)
            return
        yield Notify(node, "terminate", options.notice)
        yield Until(_notice_visible(node), f"notice readable on {node}", _NOTICE_READABLE_S)
        if options.reaction == "drain":
            if not options.false_alarm:
                yield Also(_kill_at_deadline(node, options, capacity=False))
            yield from _drain(node, view or View.GONE, options, scene)
        else:
            yield Release()
            if options.false_alarm:
                yield Pause(options.notice)
                yield Withdraw(node)
            else:
                yield from _kill_at_deadline(node, options, capacity=True)


def _notice_visible(node: str) -> Callable[[Event], bool]:
    return lambda event: isinstance(event.data, NoticeVisible) and event.data.node == node


def _exit_of(uid: str) -> Callable[[Event], bool]:
    return lambda event: isinstance(event.data, PodExited) and event.data.uid == uid


def _drain(node: str, view: str, options: SpotReclaimOptions, scene: Scene) -> Script:
    """Cordon, evict, wait until the pods are dead; then let capacity return."""
    yield Cordon(node)
    for pod in scene.pods_on(node):
        yield Evict(pod.uid, view)
    for pod in scene.pods_on(node):
        if pod.running:
            yield Until(_exit_of(pod.uid), f"death of the evicted pod {pod.uid}", _DRAIN_S)
    if options.false_alarm:
        yield Withdraw(node)
        yield Uncordon(node)
    elif options.capacity_returns_after is not None:
        yield Pause(options.capacity_returns_after)
        yield AddNode()


def _kill_at_deadline(node: str, options: SpotReclaimOptions, *, capacity: bool) -> Script:
    """Kill the node at the deadline that the notice names."""
    yield Pause(options.notice)
    yield StopNode(node, View.RESTARTED)
    yield Withdraw(node)
    if capacity and options.capacity_returns_after is not None:
        yield Pause(options.capacity_returns_after)
        yield AddNode()


def _kill(node: str, view: str, options: SpotReclaimOptions) -> Script:
    """Kill the node now."""
    yield StopNode(node, view)
    if options.capacity_returns_after is not None:
        yield Pause(options.capacity_returns_after)
        yield AddNode()
