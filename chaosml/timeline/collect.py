"""From a stream of events to a timeline, in one pass and without a list of all events.

The position of an event in the file proves nothing: sources report with delays.
So nothing here depends on the order of events of different sources; within one
source the source's own numbers count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from chaosml import event as facts
from chaosml.event import Event
from chaosml.scenario.model import Scenario
from chaosml.timeline.model import Hold, Injection, Pod, Timeline
from chaosml.timeline.moment import Moment, Seen
from chaosml.timeline.sources import SourceCounter
from chaosml.timeline.tracks import Track

__all__ = ["build", "trace"]

_TRANSFERS = frozenset(
    {
        "PutObject",
        "CompleteMultipartUpload",
        "CopyObject",
        "GetObject",
        "DeleteObject",
        "DeleteObjects",
    }
)

_STAMP_NS = 1_000_000
"""How far the wall clock may drift from the monotonic one in the course of an execution."""

_FactT = TypeVar("_FactT")


def build(events: Iterable[Event], scenario: Scenario) -> Timeline:
    """Read a history once and return what it says.

    Args:
        events: The events of one execution, as `history.read` yields them.
        scenario: Names the task whose steps are the progress.
    """
    task = scenario.pipeline.training_task or scenario.faults[0].target.task
    return trace(events, task)


def trace(events: Iterable[Event], training_task: str = "") -> Timeline:
    """Read a history once, without its scenario.

    Args:
        events: The events of one execution.
        training_task: The task whose steps are the progress; only checkers ask for it.
    """
    return _Collector(training_task).read(events)


class _Collector:
    """Keeps what matters of every event."""

    def __init__(self, training_task: str) -> None:
        self._training_task = training_task
        self._sources: dict[str, SourceCounter] = {}
        self._tracks: dict[str, Track] = {}
        self._kept: dict[type, list[Seen[Any]]] = defaultdict(list)
        self._events = 0
        self._special: dict[type, Callable[[Event], None]] = {
            facts.ClaimReady: self._take_claim,
            facts.ClaimRestore: self._take_claim,
            facts.ClaimCheckpoint: self._take_claim,
            facts.ClaimPublish: self._take_claim,
            facts.ClaimRegister: self._take_claim,
            facts.ClaimDone: self._take_claim,
            facts.ClaimPoint: self._take_claim,
            facts.ClaimUnreadable: _skip,
            facts.ProbeConnected: _skip,
            facts.HealIntended: _skip,
            facts.Request: self._take_request,
            facts.SourceOpened: self._take_opened,
            facts.SourceClosed: self._take_closed,
            facts.SourceLost: self._take_lost,
        }

    def read(self, events: Iterable[Event]) -> Timeline:
        """Take every event and put the timeline together."""
        sources, tracks = self._sources, self._tracks
        special, keep = self._special, self._keep
        count = 0
        for event in events:
            count += 1
            counter = sources.get(event.source)
            if counter is None:
                counter = sources[event.source] = SourceCounter(event.source)
            counter.seen += 1
            if event.source_seq == counter.expected:
                counter.expected += 1
            else:
                counter.jump(event.source_seq)
            claim = event.data
            if type(claim) is facts.ClaimStep:
                track = tracks.get(event.subject)
                if track is None:
                    track = tracks[event.subject] = Track(_uid(event.subject))
                track.take_step(event, claim)
            else:
                special.get(type(claim), keep)(event)
        self._events = count
        return self._freeze()

    def _keep(self, event: Event) -> None:
        self._kept[type(event.data)].append(_seen(event))

    def _take_claim(self, event: Event) -> None:
        track = self._tracks.get(event.subject)
        if track is None:
            track = self._tracks[event.subject] = Track(_uid(event.subject))
        track.take(event)

    def _take_request(self, event: Event) -> None:
        request = event.data
        if isinstance(request, facts.Request) and (
            request.operation in _TRANSFERS or request.injection is not None
        ):
            self._keep(event)

    def _counter(self, source: str) -> SourceCounter:
        return self._sources.setdefault(source, SourceCounter(source))

    def _take_opened(self, event: Event) -> None:
        if isinstance(event.data, facts.SourceOpened):
            self._counter(event.data.source).opened = True

    def _take_closed(self, event: Event) -> None:
        if isinstance(event.data, facts.SourceClosed):
            self._counter(event.data.source).last = event.data.last

    def _take_lost(self, event: Event) -> None:
        if isinstance(event.data, facts.SourceLost):
            self._counter(event.data.source).lost = event.data.why

    def _all(self, kind: type[_FactT]) -> tuple[Seen[_FactT], ...]:
        """Return the facts of a kind by their source's numbers, which a delay does not change."""
        return tuple(sorted(self._kept.get(kind, ()), key=lambda seen: seen.number))

    def _by_time(self, kind: type[_FactT]) -> tuple[Seen[_FactT], ...]:
        return tuple(
            sorted(self._kept.get(kind, ()), key=lambda seen: (seen.at.earliest_ns, seen.number))
        )

    def _first(self, kind: type[_FactT]) -> Seen[_FactT] | None:
        found = self._all(kind)
        return found[0] if found else None

    def _freeze(self) -> Timeline:
        header = self._first(facts.ExecutionStarted)
        return Timeline(
            execution="" if header is None else header.fact.execution,
            training_task=self._training_task,
            header=header,
            isolation=self._first(facts.IsolationChecked),
            ended=self._first(facts.ExecutionEnded),
            sources={name: counter.freeze() for name, counter in sorted(self._sources.items())},
            pods=self._pods(),
            claims={
                track.uid: track.freeze()
                for track in sorted(self._tracks.values(), key=lambda track: track.uid)
            },
            tasks=self._all(facts.TaskPhase),
            workflow=self._all(facts.WorkflowPhase),
            nodes=self._by_time(facts.NodeChanged),
            holds=self._holds(),
            injections=self._injections(),
            notices=self._by_time(facts.NoticeVisible),
            notice_reads=self._by_time(facts.NoticeRead),
            withdrawals=self._by_time(facts.NoticeWithdrawn),
            requests=self._all(facts.Request),
            artifacts=self._all(facts.ArtifactObserved),
            entries=self._all(facts.RegistryObserved),
            pending=self._all(facts.UploadPending),
            audited=self._first(facts.AuditFinished),
            events=self._events,
            toxics=self._by_time(facts.ToxicAdded),
            toxics_removed=self._by_time(facts.ToxicRemoved),
            disturbances=self._by_time(facts.DisturbanceAdded),
            disturbances_removed=self._by_time(facts.DisturbanceRemoved),
            canaries=self._by_time(facts.CanaryMeasured),
            traffic=self._by_time(facts.ServiceTraffic),
        )

    def _pods(self) -> dict[str, Pod]:
        created = {seen.fact.uid: seen for seen in self._all(facts.PodCreated)}
        started = {seen.fact.uid: seen for seen in self._all(facts.PodStarted)}
        exited = {seen.fact.uid: seen for seen in self._all(facts.PodExited)}
        gone = {seen.fact.uid: seen for seen in self._all(facts.PodGone)}
        deletions = _group(self._all(facts.PodDeletion), lambda fact: fact.uid)
        signals = _group(self._all(facts.PodSignalled), lambda fact: fact.uid)
        paused = _group(self._all(facts.PodPaused), lambda fact: fact.uid)
        resumed = _group(self._all(facts.PodResumed), lambda fact: fact.uid)
        images = _group(self._all(facts.ImageSeen), lambda fact: fact.uid)
        for seen in self._all(facts.ContainerStatus):
            uid = seen.fact.uid
            if uid in started:
                started[uid] = _narrow(started[uid], seen.fact.started_ns)
            if uid in exited:
                exited[uid] = _narrow(exited[uid], seen.fact.finished_ns)
        uids = {*created, *started, *exited, *gone, *deletions, *signals, *paused, *resumed}
        return {
            uid: Pod(
                uid=uid,
                created=created.get(uid),
                started=started.get(uid),
                deletions=deletions.get(uid, ()),
                signals=signals.get(uid, ()),
                exited=exited.get(uid),
                gone=gone.get(uid),
                paused=paused.get(uid, ()),
                resumed=resumed.get(uid, ()),
                images={seen.fact.container: seen.fact.image_id for seen in images.get(uid, ())},
            )
            for uid in sorted(uids)
        }

    def _holds(self) -> tuple[Hold, ...]:
        started = {seen.fact.hold: seen for seen in self._by_time(facts.HoldStarted)}
        ended = {seen.fact.hold: seen for seen in self._by_time(facts.HoldEnded)}
        lone = [hold for hold in ended if hold not in started]
        return tuple(Hold(started.get(hold), ended.get(hold)) for hold in [*started, *lone])

    def _injections(self) -> dict[str, Injection]:
        armed = {seen.fact.injection: seen for seen in self._all(facts.InjectionArmed)}
        intended = _group(self._all(facts.InjectionIntended), lambda fact: fact.injection)
        applied = _group(self._all(facts.InjectionApplied), lambda fact: fact.injection)
        invalid = _group(self._all(facts.InjectionInvalid), lambda fact: fact.injection)
        healed = _group(self._all(facts.HealDone), lambda fact: fact.injection)
        commands = _group(self._all(facts.CommandEnded), lambda fact: fact.injection)
        names = {*armed, *intended, *applied, *invalid, *healed, *commands}
        return {
            name: Injection(
                injection=name,
                armed=armed.get(name),
                intended=intended.get(name, ()),
                applied=applied.get(name, ()),
                invalid=invalid.get(name, ()),
                healed=healed.get(name, ()),
                commands=commands.get(name, ()),
            )
            for name in sorted(names)
        }


def _group(
    seen: tuple[Seen[_FactT], ...], name: Callable[[_FactT], str]
) -> dict[str, tuple[Seen[_FactT], ...]]:
    groups: dict[str, list[Seen[_FactT]]] = defaultdict(list)
    for one in seen:
        groups[name(one.fact)].append(one)
    return {key: tuple(group) for key, group in groups.items()}


def _seen(event: Event) -> Seen[Any]:
    moment = Moment(event.earliest_ns, event.latest_ns, event.seq)
    return Seen(fact=event.data, at=moment, number=event.source_seq)


def _narrow(seen: Seen[_FactT], at_ns: int) -> Seen[_FactT]:
    """Return a fact at the time that the container runtime stamped, unless the two disagree."""
    earliest_ns = max(seen.at.earliest_ns, at_ns - _STAMP_NS)
    latest_ns = min(seen.at.latest_ns, at_ns + _STAMP_NS)
    if earliest_ns > latest_ns:
        return seen
    return Seen(seen.fact, Moment(earliest_ns, latest_ns, seen.at.seq), seen.number)


def _uid(subject: str) -> str:
    return subject.removeprefix("pod/")


def _skip(event: Event) -> None:
    """Count the event for its source, and keep nothing of it."""
