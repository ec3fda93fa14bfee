"""How a death surfaced, judged from what was seen of it; and when a trial is struck and over."""

import pytest

from chaosml.cluster.survey.sightings import (
    PodSighting,
    PodState,
    Sightings,
    VertexSighting,
    judge,
)
from chaosml.cluster.survey.trial import SETTLING_S, Course, Stage
from chaosml.cluster.survey.watch import read_pod, read_workflow
from chaosml.workflow.survey import Cell, Timing
from chaosml.workflow.views import View, WayToDie

STRUCK_S = 20.0
CELL = Cell(argo="v4.0.5", finalizer=False, way=WayToDie.DELETE)
EARLY = Cell(argo="v4.0.5", finalizer=False, way=WayToDie.DELETE, timing=Timing.EARLY)


def ns(seconds):
    return int(seconds * 1e9)


def vertex(at_s, attempt, phase, message=""):
    return VertexSighting(ns(at_s), attempt, phase, message)


def pod(at_s, uid, state, *, attempt=0, code=None):
    return PodSighting(ns(at_s), attempt, uid, PodState(state), "node-1", code, f"pod-{uid}")


BEFORE = (
    pod(1, "a", "waiting"),
    vertex(1, None, "Running"),
    vertex(1, 0, "Pending"),
    pod(3, "a", "running"),
    vertex(8, 0, "Running"),
)


def seen(*sightings):
    all_of_it = Sightings()
    for one in sightings:
        (all_of_it.add_vertex if isinstance(one, VertexSighting) else all_of_it.add_pod)(one)
    return all_of_it


def death(*after):
    return judge(seen(*BEFORE, *after), "a", ns(STRUCK_S))


def test_nothing_is_known_until_the_controller_has_said_something():
    found = death(pod(21, "a", "ended", code=143), pod(22, "a", "removed"))
    assert (found.view, found.over) == (None, False)


def test_a_deleted_pod_whose_attempt_is_followed_by_another_is_gone():
    found = death(
        pod(22, "a", "removed"),
        vertex(30, 0, "Error", "pod deleted"),
        vertex(30, 1, "Pending"),
        pod(33, "b", "running", attempt=1),
    )
    assert found.view is View.GONE
    assert (found.decided_ns, found.running_ns) == (ns(30), ns(33))
    assert found.over


def test_a_deleted_pod_alone_tells_no_view_yet_as_the_attempt_may_get_a_new_one():
    assert death(pod(22, "a", "removed"), vertex(30, 0, "Error", "pod deleted")).view is None


def test_a_deleted_pod_of_the_last_attempt_is_gone_once_the_step_has_ended():
    found = death(
        vertex(30, 0, "Error", "pod deleted"), vertex(30, None, "Error", "No more retries left")
    )
    assert (found.view, found.over, found.running_ns) == (View.GONE, True, None)


def test_a_second_pod_of_the_same_attempt_means_restarted():
    found = death(
        pod(21, "a", "removed"),
        vertex(30, 0, "Error", "pod deleted"),
        pod(31, "b", "waiting"),
        pod(33, "b", "running"),
    )
    assert found.view is View.RESTARTED
    assert (found.decided_ns, found.running_ns) == (ns(30), ns(33))


def test_a_second_pod_decides_itself_where_the_controller_said_nothing():
    found = death(pod(21, "a", "removed"), pod(31, "b", "waiting"))
    assert (found.view, found.decided_ns, found.over) == (View.RESTARTED, ns(31), False)


@pytest.mark.parametrize("code", [137, 143, 255])
def test_a_failed_attempt_was_seen_with_the_exit_code_that_the_controller_tells(code):
    found = death(vertex(30, 0, "Failed", f"Error (exit code {code})"), vertex(30, 1, "Pending"))
    assert (found.view, found.exit_code, found.over) == (View.SEEN, code, False)


def test_an_exit_code_that_the_controller_does_not_tell_is_the_pods():
    found = death(pod(21, "a", "ended", code=137), vertex(30, 0, "Failed", "OOMKilled"))
    assert (found.view, found.exit_code) == (View.SEEN, 137)


def test_a_failed_attempt_whose_container_never_ended_was_seen_without_an_exit_code():
    told = "pod failed: neither main nor wait container completed successfully"
    found = death(pod(70, "a", "ended"), vertex(80, 0, "Failed", told))
    assert (found.view, found.exit_code) == (View.SEEN, None)


def test_a_success_is_seen_with_0_and_nothing_follows():
    found = death(pod(22, "a", "ended", code=0), vertex(30, 0, "Succeeded"))
    assert (found.view, found.exit_code, found.over) == (View.SEEN, 0, True)


def test_an_error_of_the_wait_container_is_wait_failed():
    found = death(
        vertex(30, 0, "Error", "wait: Error (exit code 1): open /work/answer: no such file"),
        vertex(30, 1, "Pending"),
    )
    assert (found.view, found.exit_code) == (View.WAIT_FAILED, None)


def test_another_error_is_no_view_and_is_kept_as_it_was_seen():
    course = Course(CELL, "death-1", seen=seen(*BEFORE))
    course.strike(course.seen.first, ns(STRUCK_S))
    course.take(vertex(30, 0, "Error", "the executor was eaten"))
    row = course.row()
    assert row.view is None
    assert (10.0, 0, "Error", "the executor was eaten") in [
        (one.at_s, one.attempt, one.what, one.message) for one in row.seen
    ]
    assert (-17.0, "pod 1 running") in [(one.at_s, one.what) for one in row.seen]


def test_what_was_said_before_the_strike_decides_nothing():
    early = seen(vertex(1, 0, "Error", "wait: something earlier"), pod(3, "a", "running"))
    assert judge(early, "a", ns(STRUCK_S)).view is None


def test_what_is_seen_twice_in_a_row_is_kept_once():
    kept = seen(*(one for one in BEFORE for _ in range(2)))
    assert [len(kept.vertices), len(kept.pods)] == [3, 2]


def test_an_early_strike_comes_as_soon_as_the_container_runs():
    course = Course(EARLY, "death-1")
    course.take(pod(1, "a", "waiting"))
    assert course.stage(ns(2)) is Stage.STARTING
    course.take(pod(3, "a", "running"))
    assert course.stage(ns(3)) is Stage.READY


def test_a_settled_strike_waits_from_the_controllers_word_on():
    course = Course(CELL, "death-1", seen=seen(*BEFORE))
    assert course.stage(ns(8 + SETTLING_S - 0.1)) is Stage.STARTING
    assert course.stage(ns(8 + SETTLING_S)) is Stage.READY


def test_a_pod_that_ends_before_the_strike_is_a_miss():
    course = Course(CELL, "death-1", seen=seen(*BEFORE, pod(9, "a", "ended", code=1)))
    assert course.stage(ns(10)) is Stage.MISSED


def test_a_trial_is_over_when_what_came_next_runs_or_does_not_in_time():
    course = Course(CELL, "death-1", seen=seen(*BEFORE))
    course.strike(course.seen.first, ns(STRUCK_S))
    assert course.stage(ns(25)) is Stage.STRUCK
    course.take(vertex(30, 0, "Failed", "Error (exit code 143)"))
    assert course.stage(ns(31)) is Stage.STRUCK
    assert course.stage(ns(31 + 89)) is Stage.STRUCK
    assert course.stage(ns(31 + 91)) is Stage.OVER
    assert course.row().seen, "what is missing is told by what was seen"


def test_a_trial_without_any_view_ends_too():
    course = Course(CELL, "death-1", seen=seen(*BEFORE))
    course.strike(course.seen.first, ns(STRUCK_S))
    assert course.stage(ns(STRUCK_S + 179)) is Stage.STRUCK
    assert course.stage(ns(STRUCK_S + 181)) is Stage.OVER


def test_a_plain_trial_keeps_its_view_and_times_alone():
    course = Course(CELL, "death-1", seen=seen(*BEFORE))
    course.strike(course.seen.first, ns(STRUCK_S))
    course.take(vertex(30, 0, "Failed", "Error (exit code 143)"))
    course.take(pod(32.5, "b", "running", attempt=1))
    course.stage(ns(33))
    row = course.row()
    assert (row.view, row.exit_code, row.decided_s, row.running_s) == (View.SEEN, 143, 10.0, 12.5)
    assert row.seen == ()


def document(state, *, node_name="death-1(0)", phase="Running"):
    return {
        "metadata": {
            "name": "death-1-wait-77",
            "uid": "a",
            "labels": {"workflows.argoproj.io/workflow": "death-1"},
            "annotations": {"workflows.argoproj.io/node-name": node_name},
        },
        "spec": {"nodeName": "node-1"},
        "status": {
            "phase": phase,
            "containerStatuses": [
                {"name": "wait", "state": {"running": {}}},
                {"name": "main", "state": state},
            ],
        },
    }


@pytest.mark.parametrize(
    ("state", "phase", "removed", "expected"),
    [
        ({"waiting": {}}, "Pending", False, ("waiting", None)),
        ({"running": {}}, "Running", False, ("running", None)),
        ({"terminated": {"exitCode": 143}}, "Running", False, ("ended", 143)),
        ({"running": {}}, "Failed", False, ("ended", None)),
        ({"terminated": {"exitCode": 0}}, "Running", True, ("removed", 0)),
    ],
)
def test_a_pod_is_as_far_as_its_main_container(state, phase, removed, expected):
    name, (found,) = read_pod(document(state, phase=phase), removed, 5)
    assert (name, found.attempt, found.node) == ("death-1", 0, "node-1")
    assert (found.state, found.exit_code) == expected


def test_a_pod_of_no_attempt_concerns_no_trial():
    assert read_pod(document({}, node_name="death-1"), False, 5) is None


def test_a_workflow_says_a_word_for_the_step_and_each_attempt():
    item = {
        "metadata": {"name": "death-1"},
        "status": {
            "nodes": {
                "y": {"name": "death-1(1)", "phase": "Pending"},
                "x": {"name": "death-1(0)", "phase": "Error", "message": "pod deleted"},
                "w": {"name": "death-1", "phase": "Running"},
            }
        },
    }
    name, found = read_workflow(item, False, 5)
    assert name == "death-1"
    assert [(one.attempt, one.phase, one.message) for one in found] == [
        (None, "Running", ""),
        (0, "Error", "pod deleted"),
        (1, "Pending", ""),
    ]
    assert read_workflow(item, True, 5) is None
