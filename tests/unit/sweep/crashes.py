"""Small recordings, written down: pods and writes with times, in milliseconds."""

from __future__ import annotations

from chaosml.event import (
    Basis,
    ClaimPoint,
    Event,
    ExecutionStarted,
    Fact,
    PodCreated,
    PodExited,
    PodStarted,
    Request,
)
from chaosml.sweep.effects import Effect, effects_of
from chaosml.sweep.points import CrashMap, find_points
from chaosml.timeline.collect import build

MS = 1_000_000


class Recorder:
    """Collects events; every source numbers its own."""

    def __init__(self, scenario) -> None:
        self.scenario = scenario
        self.events: list[Event] = []
        self._last: dict[str, int] = {}
        started = ExecutionStarted(
            execution="control/1",
            run="r",
            scenario="s",
            seed=1,
            workflow="w",
            workflow_file="w.yaml",
            workflow_sha256="",
            isolation={"bucket": "b"},
            parameters={},
            case=None,
            view=None,
            deadline_s=60.0,
            substrate="embedded",
            fingerprint={},
        )
        self.say("harness", "execution/control/1", started, 0, 0)

    def say(self, source: str, subject: str, fact: Fact, begun: float, ended: float) -> None:
        self._last[source] = self._last.get(source, 0) + 1
        self.events.append(
            Event(
                seq=len(self.events) + 1,
                source=source,
                source_seq=self._last[source],
                earliest_ns=int(begun * MS),
                latest_ns=int(ended * MS),
                basis=Basis.OBSERVED,
                subject=subject,
                data=fact,
            )
        )

    def pod(self, task: str, begun: float, ended: float) -> None:
        uid = f"{task}-1"
        made = PodCreated(
            uid=uid, pod=task, task=task, attempt=0, node="n", image="i", image_id="i", grace_s=30.0
        )
        self.say("kubelet", f"pod/{uid}", made, begun, begun)
        self.say("kubelet", f"pod/{uid}", PodStarted(uid=uid, pid=1), begun, begun)
        self.say("kubelet", f"pod/{uid}", PodExited(uid=uid, exit_code=0), ended, ended)

    def write(self, task: str, key: str, begun: float, ended: float, **more) -> None:
        fields = {"operation": "PutObject", "stored": True, "version": f"v-{key}", **more}
        request = Request(bucket="b", key=key, uid=f"{task}-1", status=200, **fields)
        self.say("gate", f"pod/{task}-1", request, begun, ended)

    def point(self, task: str, name: str, at: float) -> None:
        self.say(f"log/{task}-1", f"pod/{task}-1", ClaimPoint(n=1, pid=1, name=name), at, at)

    def effects(self, contract) -> list[Effect]:
        return effects_of(self.events, build(self.events, self.scenario), contract)

    def crashes(self, contract, seed: int = 0) -> CrashMap:
        timeline = build(self.events, self.scenario)
        return find_points(self.effects(contract), timeline, self.events, seed)
