"""Independent evidence about each injection: that it took effect, where, under which view.

That the harness says it did something is no receipt. A receipt is what others
saw: the place where the target waited, the pod's death, the notice that was read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from chaosml.checkers import commanded, survivals
from chaosml.checkers.canaries import examine
from chaosml.checkers.commanded import COMMANDED
from chaosml.checkers.doubt import Doubt
from chaosml.checkers.repetitions import RERUN, ZOMBIE, examine_rerun, examine_zombie
from chaosml.checkers.survivals import SURVIVALS
from chaosml.event import InjectionArmed, PodDeletion
from chaosml.plan.model import PlannedInjection
from chaosml.timeline.model import TERMINAL, Hold, Injection, Pod, Timeline
from chaosml.timeline.moment import Moment, Order, order
from chaosml.timeline.sources import CONTROL, GATE, HARNESS, KUBELET, METADATA
from chaosml.timeline.strikes import (
    BY_OTHERS,
    Strike,
    notice_of,
    notice_read_by,
    strikes,
    target_of,
)
from chaosml.verdict import EventRef, Receipt

__all__ = ["observed_view", "receipts_of"]

_POD_DELETED = "pod deleted"
_WAIT_FAILED = "wait: "
_KUBELETS_WORDS = {
    "node-shutdown": "Pod was terminated in response to imminent node shutdown",
    "node-pressure": "The node was low on resource: ",
}
"""What a kubelet writes into the status of a pod that it ends, by the way in which it does."""


_SEEN_BY_THE_END = frozenset({"notice", BY_OTHERS})
"""Ways to be struck of which nothing is seen but the end."""


def receipts_of(
    timeline: Timeline, planned: tuple[PlannedInjection, ...] | None = None
) -> tuple[Receipt, ...]:
    """Return a receipt for every injection that was planned, or else armed, in an execution."""
    plans = {plan.injection: plan for plan in planned or ()}
    names = list(plans) or list(timeline.injections)
    return tuple(_Examination(timeline, name, plans.get(name)).receipt() for name in names)


class _Examination:
    """Looks for the evidence of one injection."""

    def __init__(self, timeline: Timeline, name: str, plan: PlannedInjection | None) -> None:
        empty = Injection(name, None, (), (), (), ())
        self.timeline = timeline
        self.name = name
        self.plan = plan
        self.injection = timeline.injections.get(name, empty)
        self.armed = None if self.injection.armed is None else self.injection.armed.fact
        self.hold = self._find_hold()
        self.target = target_of(timeline, self.injection)
        self.strike = self._find_strike()
        self.cited: list[EventRef] = []

    def receipt(self) -> Receipt:
        """Return what was found."""
        why: Doubt | None = None
        try:
            self._examine()
        except Doubt as doubt:
            why = doubt
        plan, armed = self.plan, self.armed
        view = None
        # Whoever is only slowed down ends by itself, which is no view of a death.
        ends = armed is None or armed.lethal or self.strike is not None or armed.inject == RERUN
        if self.target is not None and ends and (armed is None or armed.service is None):
            view = observed_view(self.timeline, self.target)
        return Receipt(
            injection=self.name,
            fault=plan.fault if plan else (armed.fault if armed else ""),
            inject=plan.inject if plan else (armed.inject if armed else ""),
            planned_place=plan.place.words if plan else (armed.trigger if armed else ""),
            actual_place=self._actual_place(),
            planned_view=plan.view if plan else (armed.view if armed else None),
            observed_view=view,
            took_effect=why is None,
            why_invalid=None if why is None else why.why,
            detail="" if why is None else why.detail,
            evidence=tuple(sorted(self.cited)),
        )

    def _cite(self, moment: Moment | None, says: str) -> None:
        if moment is not None:
            self.cited.append(EventRef(self.timeline.execution, moment.seq, says))

    def _find_hold(self) -> Hold | None:
        for hold in self.timeline.holds:
            if hold.started is not None and hold.started.fact.rule == self.name:
                return hold
        return None

    def _find_strike(self) -> Strike | None:
        if self.target is None:
            return None
        for strike in strikes(self.timeline):
            if strike.injection == self.name and strike.pod.uid == self.target.uid:
                return strike
        return None

    def _examine(self) -> None:
        self._check_isolation()
        if self.injection.invalid:
            said = self.injection.invalid[0]
            self._cite(said.at, f"invalid: {said.fact.why}")
            raise Doubt(said.fact.why, said.fact.detail or "the harness could not place it")
        if self.armed is None:
            raise Doubt("never-armed", "the injection was never armed")
        self._check_place(self.armed)
        if self.armed.inject in COMMANDED:
            self._check_commanded(self.armed)
        elif self.armed.service is not None:
            self._cite_all(examine(self.timeline, self.armed))
        elif self.armed.lethal:
            self._check_death(self.armed)
        elif self.armed.inject == RERUN:
            self._cite_all(examine_rerun(self.timeline, self.armed))
        elif self.armed.inject in SURVIVALS:
            self._cite_all(survivals.examine(self.timeline, self.armed))
        else:
            self._check_false_alarm()

    def _check_commanded(self, armed: InjectionArmed) -> None:
        self._cite_all(commanded.examine(self.injection))
        if armed.lethal:
            self._check_death(armed)
            return
        doubt = self.timeline.doubt(KUBELET, CONTROL, GATE)
        if doubt:
            raise Doubt("evidence-lost", doubt)

    def _cite_all(self, found: Iterator[tuple[Moment, str]]) -> None:
        for moment, says in found:
            self._cite(moment, says)

    def _check_isolation(self) -> None:
        isolation = self.timeline.isolation
        if isolation is None:
            raise Doubt("isolation-unknown", "nobody looked whether the bucket started empty")
        if isolation.fact.objects:
            self._cite(isolation.at, f"{isolation.fact.objects} objects at the start")
            raise Doubt(
                "not-empty",
                f"bucket {isolation.fact.bucket} started with {isolation.fact.objects} objects",
            )

    def _check_place(self, armed: InjectionArmed) -> None:
        if not armed.exact:
            return
        if self.hold is None or self.hold.started is None:
            self._refuse_unreached(armed)
            return
        started = self.hold.started
        self._cite(started.at, f"held at {started.fact.place}")
        if not self._is_planned_place(armed):
            raise Doubt("wrong-place", f"held at {started.fact.place}, planned {armed.trigger}")
        ended = self.hold.ended
        if ended is not None and ended.fact.why in ("expired", "disarmed"):
            self._cite(ended.at, f"hold {ended.fact.why}")
            raise Doubt(f"hold-{ended.fact.why}", "the target went on before the fault took effect")

    def _refuse_unreached(self, armed: InjectionArmed) -> None:
        for pod in self.timeline.pods_of(armed.task):
            claims = self.timeline.claims.get(pod.uid)
            if claims is not None and claims.done:
                self._cite(claims.done[0].at, "the target said that it was done")
                raise Doubt("target-finished", f"{armed.trigger} was never reached")
        raise Doubt("never-reached", f"{armed.trigger} was never reached")

    def _is_planned_place(self, armed: InjectionArmed) -> bool:
        if self.hold is None or self.hold.started is None:
            return False
        held = self.hold.started.fact
        if self.plan is not None and self.plan.place.kind == "step":
            return held.step == self.plan.place.step
        if self.plan is not None and self.plan.place.kind == "object" and held.key is not None:
            return re.search(self.plan.place.key or "", held.key) is not None
        if armed.step is not None and held.step is not None:
            return held.step == armed.step
        return held.place == armed.trigger

    def _check_death(self, armed: InjectionArmed) -> None:
        strike, target = self.strike, self.target
        if target is None:
            raise Doubt("never-reached", "no pod of the target task was struck")
        if strike is None:
            why = "target-finished" if target.exited is not None else "no-strike"
            self._cite(target.exited.at if target.exited else None, "the target had ended")
            raise Doubt(why, f"pod {target.uid} was not struck while it ran")
        self._cite(strike.at, f"{strike.how} of pod {target.uid} by {self.name}")
        claims = self.timeline.claims.get(target.uid)
        for done in claims.done if claims is not None else ():
            if not strike.at.is_before(done.at):
                self._cite(done.at, "the target said that it was done")
                raise Doubt("target-finished", f"pod {target.uid} had finished before the strike")
        if target.exited is None:
            raise Doubt("death-not-seen", f"the end of pod {target.uid} was not seen")
        self._cite(target.exited.at, f"pod {target.uid} exited {target.exited.fact.exit_code}")
        if (
            strike.how not in _SEEN_BY_THE_END
            and order(strike.at, target.exited.at) is not Order.BEFORE
        ):
            raise Doubt("order-unknown", "the strike and the end of the target overlap in time")
        self._check_order_of_hold(strike)
        self._check_reaction(armed, strike)
        if armed.inject == ZOMBIE:
            self._cite_all(examine_zombie(self.timeline, armed))
        doubt = self.timeline.doubt(KUBELET, CONTROL, GATE, METADATA)
        doubt = doubt or self.timeline.doubt_of_logs([target])
        if doubt:
            raise Doubt("evidence-lost", doubt)

    def _check_order_of_hold(self, strike: Strike) -> None:
        if self.hold is None or self.hold.started is None or strike.how in _SEEN_BY_THE_END:
            return
        if not self.hold.started.at.is_before(strike.at):
            raise Doubt("order-unknown", "the strike may have come before the planned place")

    def _check_reaction(self, armed: InjectionArmed, strike: Strike) -> None:
        """Check what comes with a node's end or drain: the notice, the cordon, the stop."""
        notice_s = armed.options.get("notice")
        if isinstance(notice_s, int | float) and notice_s > 0:
            self._check_notice()
        deletion = next((seen.fact for seen in strike.pod.strikes_by(self.name)), None)
        how = deletion.how if isinstance(deletion, PodDeletion) else ""
        if armed.options.get("reaction") == "external":
            self._check_node(strike, "cordoned", "drained", self._others())
        elif how == "evict" and armed.inject in ("spot.reclaim", "node.drain"):
            self._check_node(strike, "cordoned", "drained", {self.name})
        elif how in _KUBELETS_WORDS:
            self._check_node(strike, "cordoned", "emptied", {self.name})
            self._check_words(strike, _KUBELETS_WORDS[how])
        elif how == "node-lost":
            self._check_node(strike, "stopped", "lost", {self.name})
        self._check_count(armed)

    def _check_words(self, strike: Strike, words: str) -> None:
        """Check that the orchestrator shows the kubelet's words, unless it found no object.

        A kubelet drops them where the program exits 0, and calls the pod Succeeded.
        """
        pod = strike.pod
        if observed_view(self.timeline, pod) != "seen":
            return
        for seen in self.timeline.tasks:
            phase = seen.fact
            if (phase.task, phase.attempt) == (pod.task, pod.attempt) and phase.phase in TERMINAL:
                ended_well = pod.exited is not None and pod.exited.fact.exit_code == 0
                dropped = ended_well and phase.phase == "Succeeded"
                if not dropped and not phase.message.startswith(words):
                    raise Doubt("other-words", f"{phase.display_name} ended {phase.message!r}")
                says = phase.message.strip() or "exit code 0, and no words of the kubelet"
                self._cite(seen.at, f"{phase.display_name} {phase.phase}: {says}")

    def _check_count(self, armed: InjectionArmed) -> None:
        """Check that as many nodes were struck as were asked for."""
        wanted = armed.options.get("nodes", 1)
        if not isinstance(wanted, int) or wanted <= 1:
            return
        struck: dict[str, Moment] = {}
        for seen in self.timeline.nodes:
            if seen.fact.by == self.name and seen.fact.state in ("cordoned", "stopped"):
                struck.setdefault(seen.fact.node, seen.at)
        for notice in self.timeline.notices:
            if notice.fact.notice == self.name:
                struck.setdefault(notice.fact.node, notice.at)
        if len(struck) < wanted:
            raise Doubt("too-few-nodes", f"{len(struck)} of {wanted} nodes were struck")
        for node, at in sorted(struck.items()):
            self._cite(at, f"node {node} struck, one of {len(struck)}")

    def _others(self) -> set[str]:
        """Return who else changed nodes, by what they call themselves."""
        return {seen.fact.by for seen in self.timeline.nodes} - {*self.timeline.injections, HARNESS}

    def _check_node(self, strike: Strike, state: str, done: str, by: set[str]) -> None:
        """Check that the node of a struck pod got into a state, and by whom."""
        node = strike.pod.node
        changes = [
            seen
            for seen in self.timeline.nodes
            if seen.fact.state == state and seen.fact.by in by and seen.fact.node == node
        ]
        if not changes:
            raise Doubt(f"not-{state}", f"node {node} was {done} but not {state}")
        first = changes[0]
        whom = "" if first.fact.by == self.name else f" by {first.fact.by}"
        self._cite(first.at, f"node {node} {state}{whom}")

    def _check_notice(self) -> None:
        notice = notice_of(self.timeline, self.injection)
        if notice is None:
            raise Doubt("notice-not-visible", "no notice became readable")
        self._cite(notice.at, f"notice readable on {notice.fact.node}")
        if self.target is not None:
            read = notice_read_by(self.timeline, notice, self.target)
            self._cite(None if read is None else read.at, "the target read the notice")

    def _check_false_alarm(self) -> None:
        self._check_notice()
        notice = notice_of(self.timeline, self.injection)
        if notice is None:
            return
        withdrawn = [
            seen
            for seen in self.timeline.withdrawals
            if seen.fact.notice == notice.fact.notice and not seen.at.is_before(notice.at)
        ]
        if not withdrawn:
            raise Doubt("notice-not-withdrawn", "the notice was still readable at the end")
        self._cite(withdrawn[0].at, "notice withdrawn")
        for seen in self.timeline.nodes:
            if seen.fact.node == notice.fact.node and seen.fact.state in ("stopped", "removed"):
                self._cite(seen.at, f"node {seen.fact.state}")
                raise Doubt("node-died", f"node {notice.fact.node} did not outlive the false alarm")
        doubt = self.timeline.doubt(KUBELET, CONTROL, METADATA)
        if doubt:
            raise Doubt("evidence-lost", doubt)

    def _actual_place(self) -> str | None:
        if self.hold is not None and self.hold.started is not None:
            return self.hold.started.fact.place
        if self.strike is None:
            return None
        claims = self.timeline.claims.get(self.strike.pod.uid)
        if claims is None or not len(claims.ledger):
            return "pod running"
        ledger = claims.ledger
        before = [
            step
            for row, step in enumerate(ledger.steps)
            if ledger.earliest[row] <= self.strike.at.latest_ns
        ]
        return f"after step {before[-1]}" if before else "before the first step"


def observed_view(timeline: Timeline, pod: Pod) -> str | None:
    """Return what the orchestrator got to see of the pod's death; None where it did not die.

    What the workflow's status shows comes before what the substrate says that it showed.
    """
    if pod.exited is None and pod.gone is None:
        return None
    again = [
        other
        for other in timeline.pods_of(pod.task)
        if other.attempt == pod.attempt
        and other.created is not None
        and pod.created is not None
        and other.created.at.is_after(pod.created.at)
    ]
    if again:
        return "restarted"
    for seen in timeline.tasks:
        phase = seen.fact
        if (
            phase.task == pod.task
            and phase.attempt == pod.attempt
            and phase.attempt is not None
            and phase.phase in TERMINAL
        ):
            if phase.phase == "Error" and phase.message.startswith(_WAIT_FAILED):
                return "wait-failed"
            if phase.phase == "Error" and phase.message == _POD_DELETED:
                return "gone"
            return "seen"
    return None if pod.gone is None else pod.gone.fact.view
