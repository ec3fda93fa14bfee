"""How long saves take, and what a crash costs, from written down controls."""

import pytest

from chaosml.event import ClaimCheckpoint, ClaimStep
from chaosml.sweep.margins import lines_of, measure
from chaosml.timeline.collect import build


def steps(recorder, *times):
    for number, at in enumerate(times, 1):
        claim = ClaimStep(n=number, pid=1, step=number, batch="b", loss=None)
        recorder.say("log/train-1", "pod/train-1", claim, at, at)


def checkpoint(recorder, phase, step, at):
    claim = ClaimCheckpoint(n=1, pid=1, step=step, key=f"c/{step}", phase=phase)
    recorder.say("log/train-1", "pod/train-1", claim, at, at)


def margins(recorder, contract, **counted):
    timeline = build(recorder.events, recorder.scenario)
    told = {"interruptions": 0, "errors": 0} | counted
    return measure(recorder.scenario, contract, [timeline], **told)


@pytest.fixture
def saved(recorder):
    """Steps of 10 ms; a save of 40 ms between the second and the third."""
    recorder.pod("train", 0, 200)
    steps(recorder, 10, 20)
    checkpoint(recorder, "begin", 2, 21)
    recorder.write("train", "c/2", 31, 51)
    checkpoint(recorder, "commit", 2, 61)
    for number, at in enumerate((70, 80, 90), 3):
        claim = ClaimStep(n=number, pid=1, step=number, batch="b", loss=None)
        recorder.say("log/train-1", "pod/train-1", claim, at, at)
    return recorder


def test_a_save_is_cut_at_its_first_write_and_at_the_end_of_its_data(saved, contract):
    found = margins(saved, contract)
    parts = (found.serialize, found.upload, found.promote, found.save)
    assert [one.p50 for one in parts] == [0.010, 0.020, 0.010, 0.040]
    assert [one.count for one in parts] == [1, 1, 1, 1]


def test_the_grace_that_is_needed_is_save_and_step_and_15_seconds(saved, contract):
    found = margins(saved, contract)
    assert (found.grace_s, found.needed_grace_s) == (30.0, 15.05)
    assert found.notice_s is None
    assert any("15.1 s leaves 15 s beside the longest save" in line for line in lines_of(found))


def test_what_a_crash_costs_grows_until_the_checkpoint_is_durable(saved, contract):
    found = margins(saved, contract)
    assert [one.steps for one in found.exposure] == [1, 2, 1, 2, 3]
    assert [one.seconds for one in found.exposure] == [0.0, 0.01, 0.009, 0.019, 0.029]


def test_the_share_that_saves_cost_is_what_they_take_over_a_usual_step(saved, contract):
    # 80 ms between the first step and the last, of which one gap took 40 ms longer than usual.
    assert margins(saved, contract).stalled_share == 0.5


def test_without_the_begin_of_checkpoints_no_save_has_a_time(recorder, contract):
    recorder.pod("train", 0, 200)
    steps(recorder, 10, 20)
    checkpoint(recorder, "commit", 2, 61)
    found = margins(recorder, contract)
    assert (found.save, found.upload, found.needed_grace_s) == (None, None, None)
    assert lines_of(found)[0].startswith("no save was seen")


def test_interruptions_are_no_errors(recorder, contract):
    recorder.pod("train", 0, 200)
    found = margins(recorder, contract, interruptions=3, errors=1)
    assert (found.interruptions, found.errors) == (3, 1)
    assert lines_of(found)[-1].startswith("3 interruptions as events of a life cycle; 1 pod failed")
