"""`spot.reclaim`: the cloud takes an interruptible node back.

Mechanism: as on AWS and GCP, an interruption notice becomes readable on the node's metadata
service; `notice` later the node dies with everything on it.

- `provider: gcp`: `instance/preempted` turns TRUE, 30 s before the end.
- `reaction: shutdown` (GCP): the machine hears of its shutdown, and its kubelet ends the ordinary
  pods within 15 s, each with the words of a node shutdown.
- `reaction: drain`: a node termination handler reads the notice, cordons the node and
  evicts its pods at once. The kill at the deadline then finds an empty node.
- `reaction: external`: the same, but by whatever is installed in the cluster for it, such as
  the real AWS node termination handler with its metadata URL pointed at our service. We only
  give the notice, see who closes the node, and wait for the ends of its pods.
- `reaction: none`: nobody acts; the pod may read the notice itself until the kill.
- `notice: 0s`: no notice at all, which every cloud documents as possible.
- `false-alarm: true`: the notice passes and the node lives.
- `kill: false`: the machine is left standing at the deadline, for clusters whose machines are
  not ours; a drained node has nothing left to lose.

Capacity returns `capacity-returns-after` the end of the drain, or else after the kill.
Permissions: patch nodes; create evictions where the drain is ours; the kill itself where the
substrate can stop nodes. Heal: withdraw the notice, uncordon what still stands, also where
somebody else has closed it, replace what was stopped.
Receipt: the notice readable (and read), the eviction or the node's death, the pod's death.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from chaosml.event import Event, NodeChanged, NoticeVisible, PodDeletion
from chaosml.faults.draining import await_deaths, drain
from chaosml.faults.script import (
    AddNode,
    Also,
    EndDrain,
    ExpectDrain,
    Invalidate,
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
from chaosml.faults.several import NodeCount, struck_nodes
from chaosml.faults.shutting_down import SHUTDOWN_VIEWS, shut_down
from chaosml.scenario.model import Boolean, Duration
from chaosml.substrates.protocol import (
    DrainsNodes,
    EvictsPods,
    StopsNodes,
    TerminatesPods,
    WatchesDrains,
)
from chaosml.workflow.views import View, WayToDie, legal_views

__all__ = ["ORDINARY_S", "SpotReclaim", "SpotReclaimOptions"]

ORDINARY_S = 15.0
"""What an ordinary pod gets of Google's 30 s: the other 15 are for the node's own pods."""
_NOTICE_READABLE_S = 5.0


class SpotReclaimOptions(BaseModel):
    """Options of `spot.reclaim`."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        json_schema_extra={
            "examples": [{"notice": "120s"}, {"notice": "120s", "kill": False}, {"notice": "0s"}]
        },
    )

    provider: Literal["aws", "gcp"] = "aws"
    """In whose format the notice is given; it decides what is usual for the others."""
    notice: Duration = 120.0
    """Time from the notice to the kill; `0s`: a kill without notice. With `gcp` usually 30s."""
    reaction: Literal["drain", "external", "none", "shutdown"] = "drain"
    """`drain`: a termination handler cordons the node and evicts its pods at once. `external`: a
    handler of yours does the same. `none`: nobody acts, the pod may read the notice itself.
    `shutdown`, usual with `gcp` and only there: the kubelet hears of the end and ends the pods."""
    capacity_returns_after: Annotated[Duration | None, Field(alias="capacity-returns-after")] = None
    """A fresh node joins so long after the drain, or after the kill; default: never."""
    false_alarm: Annotated[Boolean, Field(alias="false-alarm")] = False
    """The notice passes and the node lives."""
    kill: Boolean = True
    """Whether the machine dies at the deadline; `false` for machines that are not ours."""
    nodes: NodeCount = 1
    """How many machines at once, the target's among them."""

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("provider") == "gcp":
            return {"notice": "30s", "reaction": "shutdown", **given}
        return given

    @model_validator(mode="after")
    def _check(self) -> SpotReclaimOptions:
        if self.notice == 0 and self.false_alarm:
            raise ValueError("a false alarm needs a notice: give `notice` or drop `false-alarm`")
        if not self.kill and (self.notice == 0 or self.reaction == "none"):
            raise ValueError(
                "without a kill nothing happens here: name a reaction, or a `false-alarm`"
            )
        if self.reaction == "shutdown" and self.provider != "gcp":
            raise ValueError(
                "a machine of AWS is not shut down before its deadline: `reaction: shutdown` needs "
                "`provider: gcp`; a shutdown by itself is `node.shutdown`"
            )
        if self.reaction == "shutdown" and not self.kills:
            raise ValueError("a machine that shuts down ends: name another reaction here")
        if not self.kills and self.capacity_returns_after is not None:
            raise ValueError("no capacity is lost, so `capacity-returns-after` says nothing")
        return self

    @property
    def kills(self) -> bool:
        """Whether the machine dies in the end."""
        return self.kill and not self.false_alarm


class SpotReclaim:
    """Reclaims the node that the target runs on."""

    kind = "spot.reclaim"
    options = SpotReclaimOptions
    capabilities = (DrainsNodes, EvictsPods, StopsNodes)

    def needs(self, options: SpotReclaimOptions) -> Sequence[type]:
        """Return the capabilities that these options take."""
        needed: list[type] = [StopsNodes] if options.kills else []
        if options.notice > 0 and options.reaction == "drain":
            needed += [DrainsNodes, EvictsPods]
        if options.notice > 0 and options.reaction == "shutdown":
            needed += [DrainsNodes, TerminatesPods]
        if options.notice > 0 and options.reaction == "external":
            needed.append(WatchesDrains)
        return needed

    def views(self, options: SpotReclaimOptions, *, has_outputs: bool) -> Sequence[View | None]:
        """Return the legal views of the target's death, or None where it need not die."""
        if options.notice == 0:
            return legal_views(WayToDie.NODE_LOST, has_outputs=has_outputs)
        if options.reaction == "shutdown":
            return SHUTDOWN_VIEWS
        if options.reaction != "none":
            return legal_views(WayToDie.EVICT, has_outputs=has_outputs)
        if options.false_alarm:
            return (None,)
        return legal_views(WayToDie.SELF, has_outputs=has_outputs)

    def lethal(self, options: SpotReclaimOptions) -> bool:
        """Only a false alarm that nobody acts on leaves the target alive."""
        return not (options.false_alarm and options.reaction == "none")

    def script(self, options: SpotReclaimOptions, view: str | None, scene: Scene) -> Script:
        """Take every chosen node back at once; whoever is held goes on when its own is taken."""
        first, *others = struck_nodes(scene, options.nodes)
        for node in others:
            yield Also(_reclaim(node, view, options, scene, holds=False))
        yield from _reclaim(first, view, options, scene, holds=True)


def _reclaim(
    node: str, view: str | None, options: SpotReclaimOptions, scene: Scene, *, holds: bool
) -> Script:
    """Give notice, let the reaction run, kill at the deadline, let capacity return."""
    if options.notice == 0:
        yield from _kill(node, view or View.RESTARTED, options)
        return
    if options.reaction == "external":
        yield ExpectDrain(node)
    yield Notify(node, "terminate", options.notice, options.provider)
    yield Until(_notice_visible(node), f"notice readable on {node}", _NOTICE_READABLE_S)
    if holds and options.reaction in ("external", "none"):
        yield Release()
    if options.reaction == "none":
        yield from _wait_for_the_end(node, options)
        return
    if options.kills:
        yield Also(_kill_at_deadline(node, options, capacity=False))
    match options.reaction:
        case "drain":
            yield from drain(node, view or View.GONE, options.notice, scene)
        case "shutdown":
            grace_s = min(ORDINARY_S, options.notice)
            yield from shut_down(node, view or View.SEEN, grace_s, scene)
        case _:
            yield from _await_drain(node, options.notice, scene)
    yield from _end_drain(node, options)


def _wait_for_the_end(node: str, options: SpotReclaimOptions) -> Script:
    """Let the notice run out, with or without the machine."""
    if options.false_alarm:
        yield Pause(options.notice)
        yield Withdraw(node)
    else:
        yield from _kill_at_deadline(node, options, capacity=True)


def _notice_visible(node: str) -> Callable[[Event], bool]:
    return lambda event: isinstance(event.data, NoticeVisible) and event.data.node == node


def _touched(node: str, uids: set[str]) -> Callable[[Event], bool]:
    """Return what recognises that somebody closes a node, or ends one of its pods."""

    def matches(event: Event) -> bool:
        fact = event.data
        if isinstance(fact, NodeChanged):
            return (fact.node, fact.state) == (node, "cordoned")
        return isinstance(fact, PodDeletion) and fact.uid in uids

    return matches


def _await_drain(node: str, notice_s: float, scene: Scene) -> Script:
    """Wait until somebody else has drained the node; say so where nobody does."""
    pods = scene.pods_on(node)
    uids = {pod.uid for pod in pods}
    if not (yield Until(_touched(node, uids), f"somebody to drain {node}", notice_s)):
        yield Invalidate(
            "no-reaction",
            f"nobody closed node {node} or ended its pods within the {notice_s:g} s of the notice; "
            "is the handler there, and does its metadata URL name our service?",
        )
        return
    yield from await_deaths(pods, node, scene, notice_s)


def _end_drain(node: str, options: SpotReclaimOptions) -> Script:
    """Take the notice of a node that lives back and open it; or else let capacity return."""
    if options.false_alarm:
        yield Withdraw(node)
        yield Uncordon(node) if options.reaction == "drain" else EndDrain(node)
    elif options.capacity_returns_after is not None:
        yield Pause(options.capacity_returns_after)
        # Where one machine stands for both, the fresh one must not inherit the notice.
        yield Withdraw(node)
        yield AddNode(node)


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
