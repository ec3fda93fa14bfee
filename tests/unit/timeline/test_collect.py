"""From events to a timeline, whatever their order."""

import msgspec
import pytest

from chaosml import event as facts
from chaosml.timeline import build
from tests.quality import histories
from tests.quality.recording import MS


@pytest.fixture
def scenario():
    return histories.scenario()


def test_a_control_is_one_process_from_nothing_to_the_last_step(scenario):
    timeline = build(histories.control(), scenario)
    (pod,) = timeline.pods_of("train")
    (segment,) = timeline.claims[pod.uid].segments
    assert segment.restore_step == 0
    assert list(timeline.claims[pod.uid].ledger.steps) == list(range(1, histories.STEPS + 1))
    assert timeline.final_phase.fact.phase == "Succeeded"
    assert timeline.execution == "control/1"
    assert all(source.is_complete for source in timeline.sources.values())


def test_a_restarted_attempt_has_two_pods(scenario):
    timeline = build(histories.resumed(view="restarted"), scenario)
    assert [pod.attempt for pod in timeline.pods_of("train")] == [0, 0]


def test_events_may_come_before_what_they_follow_from(scenario):
    events = histories.resumed()
    sources = sorted({event.source for event in events}, reverse=True)
    shuffled = [event for source in sources for event in events if event.source == source]
    first, second = build(events, scenario), build(shuffled, scenario)
    assert first.pods == second.pods
    assert first.tasks == second.tasks
    assert first.holds == second.holds
    assert first.sources == second.sources
    assert [one.segments for one in first.claims.values()] == [
        one.segments for one in second.claims.values()
    ]


def test_a_stream_is_read_once(scenario):
    assert build(iter(histories.control()), scenario).events == len(histories.control())


def status_of(scenario, started_ms, finished_ms):
    """Return the pod of a trial whose life the API knows to the second, the runtime exactly."""
    training = histories.Training("trial/1")
    uid = training.start()
    began = training.recording.now - 25 * MS
    training.say(
        f"pod/{uid}",
        facts.ContainerStatus(
            uid=uid,
            started_ns=began + int(started_ms * MS),
            finished_ns=began + int(finished_ms * MS),
        ),
        "kubelet",
    )
    training.recording.pass_ms(1000)
    exited = facts.PodExited(uid=uid, exit_code=0)
    training.say(f"pod/{uid}", exited, "kubelet", since=began)
    return build(training.close(), scenario).pods[uid], began


def test_the_runtimes_stamps_say_within_a_second_when_a_container_ended(scenario):
    pod, began = status_of(scenario, 0.5, 400)
    assert pod.exited.at.earliest_ns == began + 399 * MS
    assert pod.exited.at.latest_ns == began + 401 * MS


def test_a_runtime_that_contradicts_what_was_seen_is_not_believed(scenario):
    pod, began = status_of(scenario, 0.5, 5000)
    assert pod.exited.at.earliest_ns == began
    assert pod.exited.at.latest_ns > began + 1000 * MS


def claims_of(scenario, *lines):
    training = histories.Training("trial/1")
    uid = training.start()
    for pid, n, rank, kind, fields in lines:
        training.say(f"pod/{uid}", kind(n=n, pid=pid, rank=rank, **fields), f"log/{uid}")
    return build(training.close(), scenario).claims.get(uid)


STEP = {"batch": "0" * 16}


def test_a_retry_loop_in_the_container_starts_a_new_segment(scenario):
    claims = claims_of(
        scenario,
        (7, 1, 0, facts.ClaimRestore, {"step": 0}),
        (7, 2, 0, facts.ClaimStep, {"step": 1, **STEP}),
        (8, 1, 0, facts.ClaimRestore, {"step": 1}),
        (8, 2, 0, facts.ClaimStep, {"step": 2, **STEP}),
    )
    assert [(one.pid, one.restore_step, one.rows) for one in claims.segments] == [
        (7, 0, range(0, 1)),
        (8, 1, range(1, 2)),
    ]
    assert not claims.lines_lost


def test_a_program_that_replaces_itself_keeps_its_pid_and_starts_anew(scenario):
    claims = claims_of(
        scenario,
        (7, 1, 0, facts.ClaimRestore, {"step": 0}),
        (7, 2, 0, facts.ClaimStep, {"step": 1, **STEP}),
        (7, 1, 0, facts.ClaimRestore, {"step": 1}),
    )
    assert [one.restore_step for one in claims.segments] == [0, 1]
    assert not claims.lines_lost


def test_a_second_restore_in_one_process_starts_a_new_segment(scenario):
    claims = claims_of(
        scenario,
        (7, 1, 0, facts.ClaimRestore, {"step": 0}),
        (7, 2, 0, facts.ClaimStep, {"step": 1, **STEP}),
        (7, 3, 0, facts.ClaimRestore, {"step": 0}),
    )
    assert [one.restore_step for one in claims.segments] == [0, 0]


def test_other_ranks_do_not_count_the_steps_again(scenario):
    claims = claims_of(
        scenario,
        (7, 1, 0, facts.ClaimStep, {"step": 1, **STEP}),
        (8, 1, 1, facts.ClaimStep, {"step": 1, **STEP}),
        (8, 2, 1, facts.ClaimStep, {"step": 2, **STEP}),
        (7, 2, 0, facts.ClaimStep, {"step": 2, **STEP}),
    )
    assert list(claims.ledger.steps) == [1, 2]
    assert len(claims.segments) == 1
    assert not claims.lines_lost


@pytest.mark.parametrize("rank", [0, 1])
def test_lines_that_the_probe_numbered_and_nobody_saw_are_noticed(scenario, rank):
    claims = claims_of(
        scenario,
        (7, 1, 0, facts.ClaimReady, {}),
        (8, 1, rank, facts.ClaimStep, {"step": 1, **STEP}),
        (8, 3, rank, facts.ClaimStep, {"step": 3, **STEP}),
    )
    assert claims.lines_lost


def test_the_doubt_about_logs_names_what_is_missing(scenario):
    events = histories.control()
    lost = next(event for event in events if isinstance(event.data, facts.ClaimStep))
    timeline = build([event for event in events if event is not lost], scenario)
    (pod,) = timeline.pods_of("train")
    assert timeline.doubt_of_logs([pod]) == (
        f"log/{pod.uid} lacks 1 events; log/{pod.uid} lacks lines of the probe"
    )
    assert timeline.doubt_of_store() == ""


def test_without_the_harness_no_absence_is_proved(scenario):
    events = histories.control()
    opened = next(
        event
        for event in events
        if isinstance(event.data, facts.SourceOpened) and event.data.source == "gate"
    )
    kept = [event for event in events if event is not opened and event.source != "gate"]
    timeline = build(kept, scenario)
    assert "harness lacks 1 events" in timeline.doubt()


def test_times_of_a_delayed_report_are_kept_as_an_interval(scenario):
    events = [
        msgspec.structs.replace(event, latest_ns=event.latest_ns + 5)
        for event in histories.control()
    ]
    timeline = build(events, scenario)
    assert timeline.header.at.latest_ns - timeline.header.at.earliest_ns == 5
