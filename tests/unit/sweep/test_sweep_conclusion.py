"""From results to the report: what counts, what comes first, what is not hidden."""

import dataclasses

import pytest

from chaosml.sweep import documents, words
from chaosml.sweep.conclusion import Circumstances, conclude
from chaosml.sweep.margins import Margins
from chaosml.sweep.result import KillResult, StateResult
from chaosml.verdict import Status, Verdict, exit_code


class Recorded:
    """What the conclusion reads of a recording."""

    def __init__(self, recorder, contract, outside=()):
        self.scenario = recorder.scenario
        self.effects = recorder.effects(contract)
        self.crashes = recorder.crashes(contract)
        self.outside = outside


@pytest.fixture
def recorded(recorder, contract):
    recorder.pod("train", 0, 100)
    recorder.write("train", "c/1", 10, 20)
    recorder.write("train", "c/2", 30, 40)
    return Recorded(recorder, contract)


@pytest.fixture
def how(recorded):
    return Circumstances(
        run="r",
        pipeline="w.yaml",
        views=("restarted",),
        chosen=frozenset(point.number for point in recorded.crashes.points),
        interrupted=False,
        wall_s=1.0,
        workers=1,
        versions={},
        command=("chaosml", "sweep", "s.yaml"),
    )


def verdict(cause, *, execution="state/1", status=Status.FAIL, checker="resume"):
    return Verdict(
        checker=checker,
        expectation=checker,
        execution=execution,
        status=status,
        cause=cause,
        message=f"it is {cause}",
    )


def passed(number):
    return StateResult(state=number, view="restarted", status=Status.PASS)


def failed(number, cause):
    found = (verdict(cause, execution=f"state/{number}"),)
    return StateResult(state=number, view="restarted", status=Status.FAIL, verdicts=found)


def test_every_state_passed_is_a_pass(recorded, how):
    report = conclude(recorded, [], [passed(1), passed(2), passed(3)], [], Margins(), how)
    assert (report.status, exit_code(report)) == (Status.PASS, 0)
    assert report.tested.points_hit == report.tested.points == 6


def test_causes_are_grouped_and_the_earliest_point_comes_first(recorded, how):
    results = [failed(3, "early"), failed(3, "late"), failed(2, "early"), passed(1)]
    report = conclude(recorded, [], [*results[2:], results[0]], [], Margins(), how)
    (failure,) = report.failures
    assert (failure.cause, failure.state, failure.point) == ("early", 2, 3)
    assert failure.place == "after PutObject c/1"
    assert failure.points == (3, 4, 5, 6)
    assert failure.replay == "chaosml sweep s.yaml --point 3"
    assert (report.status, exit_code(report)) == (Status.FAIL, 1)


def test_what_fails_undisturbed_is_counted_at_no_point_and_fails_all_the_same(recorded, how):
    control = verdict("always", execution="control/1")
    results = [failed(1, "always"), failed(2, "always"), failed(3, "always")]
    report = conclude(recorded, [control], results, [], Margins(), how)
    assert report.failures == ()
    assert {one.status for one in report.points} == {Status.PASS}
    assert report.status is Status.FAIL


def test_a_state_that_was_not_executed_makes_the_sweep_unknown_and_is_named(recorded, how):
    lost = StateResult(state=2, view="restarted", status=Status.UNKNOWN, problem="was lost")
    report = conclude(recorded, [], [passed(1), lost, passed(3)], [], Margins(), how)
    assert (report.status, exit_code(report)) == (Status.UNKNOWN, 3)
    assert exit_code(report, tolerate_unknown=True) == 0
    assert set(report.tested.unreached.values()) == {"state 2 was lost"}
    assert report.tested.points_hit == 4


def test_a_state_without_a_result_vetoes_a_pass(recorded, how):
    assert conclude(recorded, [], [passed(1)], [], Margins(), how).status is Status.UNKNOWN


def test_states_that_were_never_reached_are_no_pass(recorded, how):
    report = conclude(recorded, [], [], [], Margins(), how)
    assert report.status is Status.UNKNOWN
    assert report.tested.points_hit == 0


def test_what_the_recording_does_not_hold_vetoes_a_pass(recorder, contract, recorded, how):
    recorded.outside = ("service mlflow: what it keeps is not in the recording",)
    report = conclude(recorded, [], [passed(1), passed(2), passed(3)], [], Margins(), how)
    assert report.status is Status.UNKNOWN
    assert "service mlflow" in words.unreached(report)[0]


def test_a_kill_that_landed_elsewhere_vetoes_a_pass(recorded, how):
    kill = KillResult(point=1, name="x", status=Status.UNKNOWN, message="elsewhere")
    report = conclude(recorded, [], [passed(1), passed(2), passed(3)], [kill], Margins(), how)
    assert report.status is Status.UNKNOWN


def test_an_interruption_ends_with_130_whatever_was_found(recorded, how):
    cut = dataclasses.replace(how, interrupted=True)
    report = conclude(recorded, [], [passed(1), failed(2, "early")], [], Margins(), cut)
    assert exit_code(report) == 130
    assert report.points[-1].status is None


def test_foreign_names_are_shown_and_act_in_no_report(recorder, contract, how):
    recorder.pod("train", 0, 100)
    recorder.write("train", "c/1\x1b[2J<script>|`x`", 10, 20)
    recorded = Recorded(recorder, contract)
    chosen = frozenset(point.number for point in recorded.crashes.points)
    report = conclude(
        recorded,
        [],
        [passed(1), failed(2, "early")],
        [],
        Margins(),
        dataclasses.replace(how, chosen=chosen),
    )
    for document in (documents.render_summary(report), documents.render_junit(report)):
        assert b"\x1b" not in document
