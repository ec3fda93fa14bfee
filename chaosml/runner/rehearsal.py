"""A rehearsal of a run on a cluster: every call that it would make, in their order.

The parts of a run do what they always do, with a cluster that is only imagined. Time is
imagined too: a script's pauses pass at once, and what it waits for happens. So a kill at
the end of a notice is shown, which a run does not make where its pipeline ends before.
"""

from __future__ import annotations

import contextlib
import heapq
import inspect
import itertools
import pathlib
import queue
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from chaosml import clock
from chaosml.errors import FaultRefused, HarnessError
from chaosml.event import DOWN, Fact
from chaosml.faults import script as steps
from chaosml.faults.program import Program
from chaosml.history import Entry
from chaosml.plan.model import Plan
from chaosml.runner import foresight
from chaosml.runner.actions import Performer, StrikeScene
from chaosml.runner.cluster_environment import Parts, Target, assemble, occupy
from chaosml.runner.execution import Setup
from chaosml.runner.life import refuse_missing
from chaosml.runner.options import RunOptions
from chaosml.runner.ways import Ways, is_proxied
from chaosml.scenario.load import LoadedScenario
from chaosml.services.messages import Answer, Order
from chaosml.services.remote import RUNNER_PORT
from chaosml.substrates.kubernetes.calls import Call, RecordingApi, RecordingMachines
from chaosml.substrates.kubernetes.imagined import ImaginedCluster, ImaginedMachines
from chaosml.substrates.kubernetes.kind import KindSubstrate
from chaosml.substrates.protocol import PodView

__all__ = ["Phase", "Rehearsal", "rehearse"]

_SEEN_S = 5.0
_POLL_S = 0.005
_HERE = "this-machine"
"""Stands for the group of programs that are started where chaosml runs."""
_TOXIPROXY = "toxiproxy"
"""Stands for the group of calls that go to Toxiproxy."""
_RENEWAL_NS = 20_000_000_000
"""By then the Lease is renewed."""


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """Calls that belong together."""

    name: str
    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What a run would do."""

    phases: tuple[Phase, ...]
    created: tuple[tuple[str, dict[str, Any]], ...]
    """Path and body of each object that a run would create."""


@dataclass(slots=True)
class _Script:
    """Takes calls down, phase by phase; a change once a phase, a read once an execution."""

    phases: list[tuple[str, list[Call]]] = field(default_factory=list)
    read: set[Call] = field(default_factory=set)
    deaf: bool = False
    """Whether what comes was taken down before."""

    def begin(self, phase: str, *, deaf: bool = False) -> None:
        self.deaf = deaf
        self.phases.append((phase, []))

    def take(self, call: Call) -> None:
        calls = self.phases[-1][1]
        if self.deaf or call in calls or call in self.read:
            return
        calls.append(call)
        if not call.changes:
            self.read.add(call)

    def end(self) -> tuple[Phase, ...]:
        return tuple(Phase(name=name, calls=tuple(calls)) for name, calls in self.phases if calls)


def rehearse(
    loaded: LoadedScenario, planned: Plan, options: RunOptions, place: Target
) -> Rehearsal:
    """Go through a run without a cluster.

    Args:
        loaded: The scenario.
        planned: Its plan.
        options: Of the run.
        place: Where it would happen.

    Raises:
        UsageError: a fault needs what the substrate does not have.
    """
    cluster, script = ImaginedCluster(place.namespace), _Script()
    inbox: queue.SimpleQueue[tuple[object, Any]] = queue.SimpleQueue()
    kind = options.on == "kind"
    parts = assemble(
        options,
        api=RecordingApi(cluster, script.take),
        machines=RecordingMachines(ImaginedMachines(cluster), script.take) if kind else None,
        place=place,
        run=foresight.mark(loaded),
        toxiproxy=is_proxied(loaded),
        inbox=inbox,
        tell=lambda _: None,
        clocks=None,
    )
    late: list[str] = []
    script.begin("prepare")
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        occupy(stack, parts, _Connection(parts), lambda _: None)
        refuse_missing(loaded, parts.substrate)
        composer = foresight.compose(loaded, options.on, driver=_Proxies(script))
        cluster.tasks = _tasks(loaded)
        for setup in foresight.setups(composer, planned, folder / "once"):
            execution = _Execution(setup, cluster, parts, script, composer.ways)
            execution.run()
            late += [setup.header.execution] if execution.left else []
        for setup in foresight.setups(composer, planned, folder / "again"):
            if setup.header.execution in late:
                _Execution(setup, cluster, parts, script, composer.ways, outlasts=True).run()
        stack.callback(script.begin, "close")
    return Rehearsal(phases=script.end(), created=tuple(cluster.created))


def _tasks(loaded: LoadedScenario) -> tuple[str, ...]:
    """Return the tasks that faults strike, and one that none does."""
    struck = dict.fromkeys(fault.target.task for fault in loaded.scenario.faults)
    others = [name for name in foresight.pod_templates(loaded) if name not in struck]
    return (*struck, others[0] if others else "another")


@dataclass(frozen=True, slots=True)
class _Connection:
    """The connection of a runner, opened and closed."""

    parts: Parts

    def start(self) -> None:
        """Connect once."""
        self.parts.pod.dial(RUNNER_PORT).close()

    def close(self) -> None:
        """Nothing is left open."""


@dataclass(frozen=True, slots=True)
class _Proxies:
    """Toxiproxy, which is told nothing."""

    script: _Script

    def create(self, name: str, *, upstream: str, host: str) -> str:
        """Take down that a proxy would be created."""
        self._take("create", "proxies", name, f"to {upstream}")
        return f"{host}:{name}"

    def add(
        self, proxy: str, name: str, type_: str, stream: str, attributes: Mapping[str, int]
    ) -> None:
        """Take down that a toxic would be added."""
        if type_ == DOWN:
            self._take("update", "proxies", proxy, "disabled")
            return
        settings = ", ".join(f"{key} {value}" for key, value in attributes.items())
        self._take("create", "toxics", f"{proxy}/{name}", f"{type_} {stream}: {settings}")

    def remove(self, proxy: str, name: str) -> None:
        """Take down that a toxic would be removed."""
        if name == DOWN:
            self._take("update", "proxies", proxy, "enabled")
            return
        self._take("delete", "toxics", f"{proxy}/{name}", None)

    def _take(self, verb: str, resource: str, name: str, detail: str | None) -> None:
        self.script.take(
            Call(verb=verb, resource=resource, group=_TOXIPROXY, name=name, detail=detail)
        )


@dataclass(frozen=True, slots=True)
class _Programs:
    """Where no program is started."""

    script: _Script
    folder: str = ""

    def start(self, injection: str, part: str, uid: str, program: Program) -> None:
        """Take down that a program would be started."""
        self.script.take(
            Call(verb="start", resource=part, group=_HERE, detail=shlex.join(program.argv))
        )

    def ask(self, injection: str, wanted: steps.AskReceipt) -> None:
        """Take down that a receipt would be asked for."""
        self.start(injection, "receipt", wanted.uid, wanted.program)

    def undo(self, injection: str, uid: str, program: Program) -> None:
        """Take down that a fault would be taken back."""
        self.start(injection, "undo", uid, program)


@dataclass(frozen=True, slots=True)
class _World:
    """What a performer acts on here: its words are heard by nobody."""

    substrate: Any
    ways: Ways
    commands: _Programs
    known: Mapping[str, str] = field(default_factory=dict)

    def call(self, order: Order) -> Answer:
        """Order nothing of the services."""
        return Answer(id=0)

    def say(self, subject: str, fact: Fact) -> None:
        """Write nothing."""

    def record(self, entries: Sequence[Entry]) -> None:
        """Write nothing."""


@dataclass(slots=True)
class _Execution:
    """One execution on the imagined cluster."""

    setup: Setup
    cluster: ImaginedCluster
    parts: Parts
    script: _Script
    ways: Ways
    outlasts: bool = False
    """Whether the pipeline still runs when everything comes that a fault has put off."""
    left: bool = False
    """Whether something that was put off did not come."""
    struck: set[str] = field(default_factory=set)
    """The uids of the pods that a fault has struck."""

    def run(self) -> None:
        """Submit, strike, heal, end."""
        name, substrate = self.setup.header.execution, self.parts.substrate
        self.setup.history.parent.mkdir(parents=True)
        self.cluster.read.clear()
        self.script.read.clear()
        self.script.begin(f"{name}: submit, watch", deaf=self.outlasts)
        substrate.submit(self.setup.submission)
        self._await("first lines", lambda: len(self.cluster.read) >= len(self.cluster.tasks))
        substrate.tick(clock.monotonic_ns() + _RENEWAL_NS)
        for plan, kind, options in self.setup.injections:
            if plan.follows is not None:
                self.cluster.replace_pod(self.setup.submission.name, plan.task)
            world = _World(substrate, self.ways, _Programs(self.script))
            performer = Performer(world, plan.injection)
            scene = StrikeScene(plan.injection, self._find(plan.task), substrate, self._known)
            title = f"{name}: {plan.fault} ({plan.inject}) at {plan.place.words}"
            self._play(kind.script(options, plan.view, scene), performer, title)
            self.script.begin(f"{name}: heal {plan.fault}")
            performer.heal()
            self._await("return of the node", self._has_all_nodes)
        self.script.begin(f"{name}: end", deaf=self.outlasts)
        self.cluster.end_workflow(self.setup.submission.name)
        self._await(f"end of {name}", lambda: substrate.finished is not None)
        substrate.finish()

    def _known(self) -> dict[str, str]:
        return {"workflow": self.setup.header.workflow, "bucket": self.setup.bucket}

    def _has_all_nodes(self) -> bool:
        substrate = self.parts.substrate
        substrate.tick(clock.monotonic_ns())
        return not (isinstance(substrate, KindSubstrate) and substrate.awaits_return)

    def _find(self, task: str) -> PodView:
        """Wait until the substrate has seen a pod of a task that was not struck yet."""
        found: list[PodView] = []

        def look() -> bool:
            pods = self.parts.substrate.pods()
            running = [pod for pod in pods if pod.task == task and pod.running]
            found[:] = [pod for pod in running if pod.uid not in self.struck]
            return bool(found)

        self._await(f"a pod of {task}", look)
        self.struck.add(found[0].uid)
        return found[0]

    def _await(self, what: str, ready: Any) -> None:
        def look() -> bool:
            self.parts.substrate.handle(None)
            return bool(ready())

        if not clock.wait_until(look, clock.Deadline(what, _SEEN_S), _POLL_S):
            raise HarnessError(f"the imagined cluster did not show the {what}")

    def _play(self, first: steps.Script, performer: Performer, title: str) -> None:
        """Run scripts in the order of their imagined times, until the first one has ended.

        Others go on beside it where the pipeline outlasts it.
        """
        numbers = itertools.count()
        waiting = [(0.0, next(numbers), first)]
        self.script.begin(title, deaf=self.outlasts)
        while waiting:
            at_s, _, script = heapq.heappop(waiting)
            if at_s > 0:
                self.script.begin(f"{title}, {at_s:g} s later if the pipeline still runs")
            ended = True
            for step in _steps(script):
                match step:
                    case steps.Pause(seconds):
                        heapq.heappush(waiting, (at_s + seconds, next(numbers), script))
                        ended = False
                        break
                    case steps.Also(other):
                        heapq.heappush(waiting, (at_s, next(numbers), other))
                    case steps.Until() | steps.Release():
                        self._settle()
                    case action:
                        self._perform(action, performer)
            if ended and script is first and not self.outlasts:
                self.left = bool(waiting)
                return

    def _perform(self, action: steps.Action, performer: Performer) -> None:
        with contextlib.suppress(FaultRefused):
            performer.perform(action, step=None)
        self._settle()

    def _settle(self) -> None:
        """Let the substrate see what has come of an action."""
        self.parts.substrate.handle(None)
        self.parts.substrate.tick(clock.monotonic_ns())


def _steps(script: steps.Script) -> Iterator[steps.Step]:
    """Yield what a script does; all that it waits for happens."""
    with contextlib.suppress(StopIteration):
        created = inspect.getgeneratorstate(script) == inspect.GEN_CREATED
        answer = None if created else True
        while True:
            yield script.send(answer)
            answer = True
