"""The law of evidence, on histories that real runs left behind.

Whatever is lost, PASS never becomes FAIL and FAIL never PASS: either the verdict stands
or it is UNKNOWN. Below `recorded/` lies one run directory a folder, as `chaosml run` wrote
it (histories may be gzipped); every folder found there is put to the test.
"""

import functools
import gzip
import json
import pathlib
import random

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chaosml.checkers.judge import judge
from chaosml.event import Event
from chaosml.faults.catalogue import option_models
from chaosml.plan.model import Plan
from chaosml.scenario.load import load
from chaosml.timeline import build
from chaosml.verdict import Judgement, Status, worst

RECORDED = pathlib.Path(__file__).parent / "recorded"
RUNS = sorted(path.name for path in RECORDED.glob("*") if path.is_dir())
SHARE = 10
"""One line in so many of a source is lost."""


class Run:
    """A recorded run: what was asked of it, and the events of its executions."""

    def __init__(self, path):
        self.name = path.name
        self.invocation = json.loads((path / "invocation.json").read_bytes())
        self.plan = msgspec.json.decode((path / "plan.json").read_bytes(), type=Plan)
        self.scenario = load(
            path / "scenario.yaml",
            catalogue=option_models(),
            set_values=self.invocation["set_values"],
            pipeline=path / "workflow.yaml",
            local=False,
        ).scenario
        self.executions = {
            f"{kind}/{folder.name}": _read(folder)
            for kind in ("control", "trial")
            for folder in sorted((path / f"{kind}s").glob("*"), key=lambda it: int(it.name))
        }

    def judge(self, executions):
        """Return the status of every verdict, and of the whole under an empty key."""
        timelines = {name: build(iter(all_), self.scenario) for name, all_ in executions.items()}
        judgement = judge(
            self.scenario,
            self.plan,
            [timeline for name, timeline in timelines.items() if name.startswith("control/")],
            [timeline for name, timeline in timelines.items() if name.startswith("trial/")],
            run=self.name,
            pipeline=self.invocation["pipeline"],
            versions=self.invocation["versions"],
            replay=self.invocation["replay"],
            policies=self.invocation["policies"],
        )
        return _statuses(judgement)


def _read(folder):
    decoder = msgspec.json.Decoder(Event)
    plain, packed = folder / "history.jsonl", folder / "history.jsonl.gz"
    data = plain.read_bytes() if plain.exists() else gzip.decompress(packed.read_bytes())
    return [decoder.decode(line) for line in data.splitlines()]


def _statuses(judgement):
    found = {}
    for verdict in judgement.verdicts:
        key = (verdict.checker, verdict.expectation, verdict.execution)
        found[key] = worst([found.get(key, Status.PASS), verdict.status])
    return {**found, (): judgement.status}


@functools.cache
def recorded(name):
    run = Run(RECORDED / name)
    return run, run.judge(run.executions)


def assert_nothing_turned(before, after):
    opposite = {Status.PASS: Status.FAIL, Status.FAIL: Status.PASS}
    turned = {
        key: f"{status.value} became {after[key].value}"
        for key, status in before.items()
        if key in after and after[key] is opposite.get(status)
    }
    assert turned == {}


@st.composite
def losses(draw, count):
    """Draw at most one in ten of `count` places: scattered, in a row, or chosen one by one."""
    most = max(1, count // SHARE)
    match draw(st.sampled_from(["scattered", "in a row", "chosen"])):
        case "scattered":
            return set(random.Random(draw(st.integers(0, 2**32))).sample(range(count), most))
        case "in a row":
            start = draw(st.integers(0, count - most))
            return set(range(start, start + most))
        case _:
            return draw(st.sets(st.integers(0, count - 1), min_size=1, max_size=most))


def lose(draw, executions, sources):
    """Return the executions without the lines that were drawn for each of `sources`."""
    damaged = dict(executions)
    for execution, source in sources:
        said = [event for event in damaged[execution] if event.source == source]
        lost = {said[place].seq for place in draw(losses(len(said)))}
        damaged[execution] = [event for event in damaged[execution] if event.seq not in lost]
    return damaged


LAW = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
@LAW
@given(data=st.data())
def test_losing_a_tenth_of_any_source_turns_no_verdict_around(name, data):
    run, before = recorded(name)
    everywhere = sorted(
        {(execution, event.source) for execution, all_ in run.executions.items() for event in all_}
    )
    chosen = data.draw(
        st.one_of(st.sampled_from(everywhere).map(lambda one: [one]), st.just(everywhere))
    )
    assert_nothing_turned(before, run.judge(lose(data.draw, run.executions, chosen)))


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
@LAW
@given(data=st.data())
def test_losing_a_whole_source_turns_no_verdict_around(name, data):
    run, before = recorded(name)
    execution = data.draw(st.sampled_from(sorted(run.executions)))
    source = data.draw(
        st.sampled_from(sorted({event.source for event in run.executions[execution]}))
    )
    damaged = [event for event in run.executions[execution] if event.source != source]
    assert_nothing_turned(before, run.judge({**run.executions, execution: damaged}))


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
@LAW
@given(shuffle=st.integers(0, 2**32).map(random.Random))
def test_the_order_in_which_sources_were_heard_turns_no_verdict_around(name, shuffle):
    run, before = recorded(name)
    mixed = {execution: _interleave(all_, shuffle) for execution, all_ in run.executions.items()}
    assert_nothing_turned(before, run.judge(mixed))


def _interleave(events, shuffle):
    """Return the events in another order that keeps the order of each source."""
    queues = {}
    for event in events:
        queues.setdefault(event.source, []).append(event)
    turns = [event.source for event in events]
    shuffle.shuffle(turns)
    taken = {source: iter(queue) for source, queue in queues.items()}
    return [
        msgspec.structs.replace(next(taken[source]), seq=number)
        for number, source in enumerate(turns, start=1)
    ]


@pytest.mark.parametrize("name", RUNS)
def test_a_recorded_run_is_still_judged_as_it_was(name):
    _, statuses = recorded(name)
    verdict = (RECORDED / name / "verdict.json").read_bytes()
    assert statuses == _statuses(msgspec.json.decode(verdict, type=Judgement))


@pytest.mark.skipif(not RECORDED.exists(), reason="no run has been recorded yet")
def test_the_recorded_runs_show_passes_and_failures():
    """Without both, the law would hold of itself."""
    assert RUNS != []
    seen = {status for name in RUNS for status in recorded(name)[1].values()}
    assert {Status.PASS, Status.FAIL} <= seen
