"""The law of evidence: less evidence may make a verdict unknown, never turn it around."""

import functools
import random

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chaosml.checkers.judge import judge
from chaosml.timeline import build
from chaosml.verdict import Status, worst
from tests.quality import histories, repeated

NO_RNG = {"omit": ("rng",)}


def _no_rng(number):
    return histories.control(number, **NO_RNG)


SILENT = histories.silent(histories.control)
"""Of a pipeline without a probe."""
TRIALS = {
    "exact": (histories.resumed, histories.control),
    "lost steps": (lambda: histories.resumed(save=False), histories.control),
    "restarted": (lambda: histories.resumed(view="restarted"), histories.control),
    "no rng": (lambda: histories.resumed(diverge=True, **NO_RNG), _no_rng),
    "half trained": (histories.half_trained, histories.control),
    "from zero": (histories.restarted_from_zero, histories.control),
    "stale": (histories.stale, histories.control),
    "twice": (histories.applied_twice, histories.control),
    "skipped": (lambda: histories.applied_twice(skip=True), histories.control),
    "mislabelled": (histories.mislabelled, histories.control),
    "torn": (histories.torn, histories.control),
    "marker first": (lambda: histories.torn(marker_first=True), histories.control),
    "twice registered": (histories.registered_again, histories.control),
    "not retried": (histories.not_retried, histories.control),
    "in place": (lambda: histories.in_place(mixed=False), histories.in_place_control),
    "mixed": (histories.in_place, histories.in_place_control),
    "rerun": (repeated.rerun, histories.control),
    "rerun registered": (lambda: repeated.rerun(again="registry/v2.json"), histories.control),
    "fenced zombie": (lambda: repeated.late_writer(fenced=True), histories.control),
    "zombie": (lambda: repeated.late_writer(fenced=False), histories.in_place_control),
    "alone": (histories.alone, histories.in_place_control),
    "batch twice": (lambda: histories.shifted_batches(by=-1), histories.control),
    "batch left out": (histories.shifted_batches, histories.control),
    "named ahead": (histories.named_ahead, lambda number: histories.control(number, named_ahead=1)),
    "saved in the handler": (histories.saved_in_handler, histories.control),
    "guarded": (histories.guarded, histories.control),
    "guarded well": (lambda: histories.guarded(commits=True), histories.control),
    "silent": (histories.silent(histories.resumed), SILENT),
    "silent from zero": (histories.silent(histories.restarted_from_zero), SILENT),
    "silent stale": (lambda: histories.silent(histories.stale)(step=16), SILENT),
    "silent diverged": (lambda: histories.silent(histories.resumed)(diverge=True), SILENT),
    "registered early": (histories.registered_early, histories.control),
}

LAW = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


class Run:
    """A run whose histories can be damaged before they are judged."""

    def __init__(self, name):
        trial, control = TRIALS[name]
        in_place = control is histories.in_place_control
        limits = {"mttr": {"at-most": "50ms", "mean": "45ms"}}
        self.scenario = (
            histories.in_place_scenario(**limits)
            if in_place
            else histories.scenario(**limits, **{"compute-waste": {"at-most": "15%"}})
        )
        self.executions = {f"control/{number}": control(number) for number in (1, 2, 3)}
        self.executions["trial/1"] = trial()
        self.before = self.judge(self.executions)

    def judge(self, executions):
        timelines = {name: build(iter(all_), self.scenario) for name, all_ in executions.items()}
        judgement = judge(
            self.scenario,
            histories.plan(),
            [timelines[name] for name in timelines if name.startswith("control")],
            [timelines["trial/1"]],
            run="run",
            pipeline="pipeline.yaml",
            versions={},
            replay="chaosml run",
        )
        assert not [one for one in judgement.verdicts if one.details]
        found = {}
        for one in judgement.verdicts:
            key = (one.checker, one.expectation, one.execution)
            found[key] = worst([found.get(key, Status.PASS), one.status])
        return {**found, "run": judgement.status}


@functools.cache
def recorded(name):
    return Run(name)


def assert_nothing_turned(run, executions):
    opposite = {Status.PASS: Status.FAIL, Status.FAIL: Status.PASS}
    after = run.judge(executions)
    turned = {
        key: f"{status.value} became {after[key].value}"
        for key, status in run.before.items()
        if key in after and after[key] is opposite.get(status)
    }
    assert turned == {}


def sources_of(run):
    return sorted({(name, event.source) for name, all_ in run.executions.items() for event in all_})


def without(run, name, lost):
    return {
        **run.executions,
        name: [event for event in run.executions[name] if event.seq not in lost],
    }


def test_the_runs_show_passes_and_failures_of_every_checker():
    seen = {
        (key[0], status)
        for name in TRIALS
        for key, status in recorded(name).before.items()
        if key != "run"
    }
    for checker in ("outcome", "resume", "corruption", "recovery", "waste"):
        assert (checker, Status.PASS) in seen
        assert (checker, Status.FAIL) in seen


@pytest.mark.parametrize("name", TRIALS)
@LAW
@given(data=st.data())
def test_losing_lines_turns_no_verdict_around(name, data):
    run = recorded(name)
    execution, source = data.draw(st.sampled_from(sources_of(run)))
    said = [event.seq for event in run.executions[execution] if event.source == source]
    share = data.draw(st.sampled_from([0.1, 0.1, 0.5, 1.0]))
    count = max(1, int(len(said) * share))
    lost = random.Random(data.draw(st.integers(0, 2**32))).sample(said, count)
    assert_nothing_turned(run, without(run, execution, set(lost)))


@pytest.mark.parametrize("name", TRIALS)
def test_losing_any_single_line_turns_no_verdict_around(name):
    run = recorded(name)
    for event in run.executions["trial/1"]:
        assert_nothing_turned(run, without(run, "trial/1", {event.seq}))


@pytest.mark.parametrize("name", TRIALS)
@LAW
@given(shuffle=st.integers(0, 2**32).map(random.Random), data=st.data())
def test_hearing_sources_in_another_order_turns_no_verdict_around(name, shuffle, data):
    run = recorded(name)
    execution = data.draw(st.sampled_from(sorted(run.executions)))
    damaged = {**run.executions, execution: interleaved(run.executions[execution], shuffle)}
    assert run.judge(damaged) == run.before


def interleaved(events, shuffle):
    """Return the events in another order that keeps the order of each source."""
    turns = [event.source for event in events]
    shuffle.shuffle(turns)
    queues = {
        source: iter([event for event in events if event.source == source]) for source in set(turns)
    }
    return [
        msgspec.structs.replace(next(queues[source]), seq=number)
        for number, source in enumerate(turns, start=1)
    ]


@pytest.mark.parametrize("name", TRIALS)
@LAW
@given(data=st.data())
def test_knowing_times_less_exactly_turns_no_verdict_around(name, data):
    run = recorded(name)
    execution, source = data.draw(st.sampled_from(sources_of(run)))
    delay_ns = data.draw(st.sampled_from([1_000_000, 20_000_000, 200_000_000]))
    chance = random.Random(data.draw(st.integers(0, 2**32)))
    damaged = [
        msgspec.structs.replace(event, latest_ns=event.latest_ns + int(delay_ns * chance.random()))
        if event.source == source
        else event
        for event in run.executions[execution]
    ]
    assert_nothing_turned(run, {**run.executions, execution: damaged})
