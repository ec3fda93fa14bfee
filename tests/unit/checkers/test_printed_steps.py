"""Trainings without a probe whose own lines name the steps: bounds, and what they decide."""

import pytest
from msgspec.structs import replace

from chaosml.verdict import Status
from tests.quality import histories
from tests.quality.histories import facts
from tests.unit.checkers.running import judged, verdict


def limited(steps=6, mttr="5s"):
    return histories.scenario(**{"lost-steps": {"at-most": steps}, "mttr": {"at-most": mttr}})


def judge(trial, expectation, *, every=1, buffered=False, control=None, scenario=None):
    control = control or histories.printing(histories.control, every=every, buffered=buffered)
    found = judged(trial, control=control, scenario=scenario or limited())
    return verdict(found, expectation)


def resumed(every=1, buffered=False, **options):
    return histories.printing(histories.resumed, every=every, buffered=buffered)(**options)


def from_zero(every=1):
    return histories.printing(histories.restarted_from_zero, every=every)()


def test_lost_steps_are_counted_from_lines_as_far_as_they_tell():
    found = judge(resumed(save=False), "lost-steps")
    assert found.status is Status.PASS
    assert found.measures == {"lost_steps_min": 1, "lost_steps": 3}


def test_a_training_that_begins_again_has_certainly_lost_more_than_it_may():
    found = judge(from_zero(), "lost-steps")
    assert (found.status, found.cause) == (Status.FAIL, "too-many-steps-lost")
    assert found.measures == {"lost_steps_min": 13, "lost_steps": 15}


@pytest.mark.parametrize(
    ("limit", "status"),
    [(3, Status.PASS), (2, Status.UNKNOWN), (1, Status.UNKNOWN), (0, Status.FAIL)],
)
def test_a_limit_decides_only_where_it_does_for_every_count_that_is_possible(limit, status):
    found = judge(resumed(save=False), "lost-steps", scenario=limited(steps=limit))
    assert found.status is status


def test_lines_every_fifth_step_leave_wider_bounds():
    found = judge(resumed(every=5, save=False), "lost-steps", every=5)
    assert found.measures == {"lost_steps_min": 0, "lost_steps": 9}
    assert (found.status, found.cause) == (Status.UNKNOWN, "not-exact-enough")
    assert judge(from_zero(every=5), "lost-steps", every=5).status is Status.FAIL


def test_a_buffer_that_died_with_its_program_may_have_held_every_step():
    found = judge(resumed(buffered=True, save=False), "lost-steps", buffered=True)
    assert (found.status, found.cause) == (Status.UNKNOWN, "not-exact-enough")


def test_recovery_ends_with_the_first_line_beyond_every_step_that_may_have_been_done():
    exact = verdict(judged(histories.resumed(save=False)), "mttr").measures["mttr_s"]
    trial = judged(
        resumed(save=False), control=histories.printing(histories.control), scenario=limited()
    ).executions[-1]
    assert trial.measures["mttr_s"] == pytest.approx(exact, rel=0.2)
    assert judge(resumed(save=False), "mttr").status is Status.PASS
    slow = judge(resumed(save=False), "mttr", scenario=limited(mttr="1ms"))
    assert (slow.status, slow.cause) == (Status.FAIL, "recovery-too-slow")


def test_a_limit_between_the_last_line_before_and_the_first_beyond_is_undecided():
    trial = resumed(every=5, save=False)
    steps = [one.latest_ns for one in trial if isinstance(one.data, facts.LogProgress)]
    struck = next(one.earliest_ns for one in trial if isinstance(one.data, facts.PodDeletion))
    between_s = (steps[3] + 1_000_000 - struck) / 1e9
    found = judge(trial, "mttr", every=5, scenario=limited(mttr=f"{between_s * 1000:.0f}ms"))
    assert (found.status, found.cause) == (Status.UNKNOWN, "not-exact-enough")


def test_who_never_goes_on_has_never_recovered():
    found = judge(histories.printing(histories.not_retried)(), "mttr")
    assert (found.status, found.cause) == (Status.FAIL, "never-recovered")


def test_who_exits_well_when_struck_in_the_middle_has_not_recovered():
    found = judge(histories.printing(histories.half_trained)(), "mttr")
    assert (found.status, found.cause) == (Status.FAIL, "never-recovered")


def renumbered(make, number, every=1):
    """Return what makes the same history with other numbers in its lines."""

    def made(*positional, **options):
        return [
            replace(one, data=facts.LogProgress(step=number(one.data.step)))
            if isinstance(one.data, facts.LogProgress)
            else one
            for one in histories.printing(make, every=every)(*positional, **options)
        ]

    return made


def test_a_counter_that_begins_again_with_every_epoch_measures_nothing():
    def within_epoch(step):
        return (step - 1) % 8 + 1

    trial = renumbered(histories.resumed, within_epoch)()
    for expectation in ("mttr", "lost-steps"):
        control = renumbered(histories.control, within_epoch)
        found = judge(trial, expectation, control=control)
        assert (found.status, found.cause) == (Status.UNKNOWN, "not-measured")
        assert "match a number that only rises" in found.message


def test_without_lines_of_the_controls_nobody_knows_how_often_lines_come():
    silent = histories.silent(histories.control)
    found = judge(resumed(), "lost-steps", control=silent)
    assert (found.status, found.cause) == (Status.UNKNOWN, "not-measured")


def test_where_a_probe_claims_the_steps_the_lines_do_not_count():
    events = histories.resumed(save=False)
    found = judge(events, "lost-steps", control=histories.control)
    assert found.measures == {"lost_steps": 3}


def test_a_first_line_before_the_committed_step_is_a_restart_from_nothing():
    trial = histories.printing(lambda: histories.restarted_from_zero(commits=False))()
    found = judge(trial, "resume")
    assert found.status is not Status.FAIL
    found = judge(_restarted_without_a_save(), "resume")
    assert (found.status, found.cause) == (Status.FAIL, "restarted-from-zero")
    assert "printed step 1 first" in found.message
    assert found.measures == {"saved_step": 1, "committed_step": 12}


def test_a_first_line_after_the_committed_step_convicts_nobody():
    assert judge(resumed(), "resume").cause != "restarted-from-zero"
    seldom = judge(resumed(every=5), "resume", every=5)
    assert seldom.cause != "restarted-from-zero"


def test_lines_that_count_epochs_convict_nobody_of_a_step():
    def epoch(step):
        return step // 6

    trial = renumbered(histories.resumed, epoch, every=6)(save=False)
    found = judge(trial, "resume", control=renumbered(histories.control, epoch, every=6))
    assert found.cause != "restarted-from-zero"
    assert judge(trial, "mttr", control=renumbered(histories.control, epoch, every=6)).status is (
        Status.PASS
    )


def _restarted_without_a_save():
    """Return a trial whose second pod begins again, and saves nothing before the model."""

    def make():
        training, uid = histories.struck(1, 15, "restarted")
        histories.die(training, uid, "restarted")
        second = training.start(again=1, node="node-2")
        training.restore(second, 0)
        for step in range(1, histories.STEPS + 1):
            training.step(second, step)
        histories.finish(training, second)
        return training.close()

    return histories.printing(make)()
