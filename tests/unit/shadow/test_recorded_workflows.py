"""What a real Argo showed can be reached; what it could not have shown cannot.

The recordings are of: success (`calm`), a deletion seen as `gone`, a forced one that is
`restarted`, one before Argo saw the pod running (`early`), steps with loops, a dag and hooks
(`composite`, `hooks`), failures, backoff, a deadline, missing outputs, a wrong condition, the
reference pipeline under a deletion (`resilient`) and on a machine that came back (`rebooted`),
parallelism with failFast.
"""

from __future__ import annotations

import dataclasses

import pytest
from msgspec.structs import replace

from chaosml.shadow.recording import Node, Recording
from tests.unit.shadow.recordings import (
    CASES,
    judged,
    nodes,
    recorded,
    with_node,
    with_nodes,
    with_pods,
    with_statuses,
)

PHASES = {"Succeeded": "Failed", "Failed": "Error", "Error": "Failed", "Omitted": "Skipped"}
ENDED = frozenset(PHASES)


def ends_of(recording: Recording) -> list[tuple[int, Node]]:
    """Return the nodes that have ended with the index of their status; of many, every third."""
    found = [(at, node) for at, node in nodes(recording) if node.phase in ENDED]
    assert found
    return found if len(found) < 12 else found[::3]


def last_of(recording: Recording, kind: str) -> Node:
    """Return the last node of a type that has ended."""
    found = [node for _, node in nodes(recording) if node.type == kind and node.phase in ENDED]
    return found[-1]


@pytest.mark.parametrize("case", CASES)
def test_what_argo_showed_can_be_reached(case: str) -> None:
    recording = recorded(case)
    outcome = judged(case, recording)
    assert outcome.unreachable is None
    assert (outcome.reachable, outcome.statuses) == (True, len(recording.statuses))
    assert recording.statuses[-1].phase in {"Succeeded", "Failed", "Error"}
    assert not outcome.cut


@pytest.mark.parametrize("case", CASES)
def test_a_watch_may_miss_any_status_but_the_first_and_the_last(case: str) -> None:
    recording = recorded(case)
    for number in range(1, len(recording.statuses) - 1):
        missed, after = recording.statuses[number : number + 2]
        shown = {node.name: node for node in (*missed.nodes, *after.nodes)}
        merged = replace(after, nodes=tuple(shown.values()))
        statuses = [*recording.statuses[:number], merged, *recording.statuses[number + 2 :]]
        assert judged(case, with_statuses(recording, statuses)).unreachable is None


@pytest.mark.parametrize("case", CASES)
def test_a_recording_that_is_cut_is_judged_as_far_as_it_reaches(case: str) -> None:
    recording = with_statuses(recorded(case), list(recorded(case).statuses[:-1]))
    outcome = judged(case, dataclasses.replace(recording, cut="it was stopped"))
    assert (outcome.reachable, outcome.cut) == (True, "it was stopped")


@pytest.mark.parametrize("case", CASES)
def test_another_phase_of_any_vertex_that_ended_cannot_be_reached(case: str) -> None:
    recording = recorded(case)
    for at, node in ends_of(recording):
        changed = with_node(recording, node.name, at, phase=PHASES[node.phase])
        found = judged(case, changed).unreachable
        assert found is not None, node.name
        assert found.status > at


@pytest.mark.parametrize("case", sorted({*CASES} - {"condition"}))
def test_another_message_of_any_vertex_that_ended_cannot_be_reached(case: str) -> None:
    recording = recorded(case)
    for at, node in ends_of(recording):
        changed = with_node(recording, node.name, at, message=f"{node.message} and more")
        found = judged(case, changed).unreachable
        assert found is not None, node.name
        assert (found.status, found.vertex) == (at + 1, node.name)
        assert "and more" in found.shown
        assert "message " in found.reachable


@pytest.mark.parametrize("case", CASES)
def test_a_vertex_that_nothing_asks_for_cannot_be_reached(case: str) -> None:
    recording = recorded(case)
    at, node = nodes(recording)[-1]
    extra = replace(node, id="x", name=f"{node.name}.extra")
    statuses = list(recording.statuses)
    statuses[at] = replace(statuses[at], nodes=(*statuses[at].nodes, extra))
    found = judged(case, with_statuses(recording, statuses)).unreachable
    assert found is not None
    assert (found.vertex, found.status) == (extra.name, at + 1)
    assert found.reachable == "the reducer has no such vertex at that time"


@pytest.mark.parametrize("case", CASES)
def test_a_vertex_that_is_missing_to_the_end_is_found_there(case: str) -> None:
    recording = recorded(case)
    name = nodes(recording)[-1][1].name
    found = judged(case, with_nodes(recording, lambda node: None if node.name == name else node))
    assert found.unreachable is not None


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("type", "type "),
        ("display_name", "display name "),
        ("template", "template "),
        ("boundary", "vertex around it "),
    ],
)
def test_each_mark_of_a_vertex_counts(case: str, key: str, words: str) -> None:
    recording = recorded(case)
    node = last_of(recording, "Pod")
    found = judged(case, with_node(recording, node.name, **{key: "other"})).unreachable
    assert found is not None
    assert words in found.reachable or "no such vertex" in found.reachable


def test_an_attempt_cannot_be_skipped() -> None:
    recording = with_nodes(
        recorded("backoff"), lambda node: None if node.name == "backoff(1)" else node
    )
    found = judged("backoff", recording).unreachable
    assert found is not None
    assert (found.vertex, found.status) == ("backoff", 2)
    assert found.reachable == "the reducer differs in backoff-3762999103"


def test_the_next_attempt_cannot_begin_while_the_one_before_runs() -> None:
    recording = recorded("gone")
    third = recording.statuses[2]
    running = [node for node in recording.statuses[1].nodes if node.name == "gone(0)"]
    others = [node for node in third.nodes if node.name != "gone(0)"]
    statuses = list(recording.statuses)
    statuses[2] = replace(third, nodes=(*running, *others))
    found = judged("gone", with_statuses(recording, statuses)).unreachable
    assert found is not None
    assert (found.vertex, found.status) == ("gone(1)", 3)
    assert found.reachable == "the reducer has no such vertex at that time"


def test_no_attempt_begins_before_its_backoff_is_over() -> None:
    recording = recorded("backoff")
    waiting = next(at for at, node in nodes(recording) if node.message.startswith("Backoff"))
    begins = recording.statuses[waiting + 1]
    assert [node.name for node in begins.nodes if node.phase == "Pending"] == ["backoff(2)"]
    assert begins.at_ns - recording.statuses[waiting].at_ns > 6_000_000_000
    # The attempt before ended one second earlier, so that most of the six are still to come.
    ended = with_node(recording, "backoff(1)", waiting, finished="2026-11-25T04:57:22Z")
    early = replace(begins, at_ns=recording.statuses[waiting].at_ns + 1_000_000_000)
    statuses = [*ended.statuses[: waiting + 1], early, *ended.statuses[waiting + 2 :]]
    found = judged("backoff", with_statuses(ended, statuses)).unreachable
    assert found is not None
    assert found.status == waiting + 2
    assert judged("backoff", with_statuses(ended, statuses[: waiting + 1])).unreachable is None


@pytest.mark.parametrize("case", ["gone", "restarted"])
def test_a_pod_that_nobody_deleted_cannot_be_missing(case: str) -> None:
    found = judged(case, with_pods(recorded(case), deleted=False, gone=False)).unreachable
    assert found is not None
    assert found.shown == "Pod Error 'pod deleted'"


def test_a_restart_uses_up_no_retry() -> None:
    recording = recorded("restarted")
    last = recording.statuses[-1]
    second = replace(last_of(recording, "Pod"), id="x", name="restarted(1)")
    statuses = [*recording.statuses[:-1], replace(last, nodes=(*last.nodes, second))]
    found = judged("restarted", with_statuses(recording, statuses)).unreachable
    assert found is not None
    assert found.vertex == "restarted(1)"


def test_the_exit_code_of_the_pod_decides_and_not_what_argo_says_of_it() -> None:
    recording = recorded("failure")
    changed = dataclasses.replace(
        recording,
        pods=tuple(
            replace(pod, exit_code=4) if pod.exit_code == 3 else pod for pod in recording.pods
        ),
    )
    found = judged("failure", changed).unreachable
    assert found is not None
    assert found.vertex == "failure.bad"
    assert "'main: Error (exit code 3)', not 'main: Error (exit code 4)'" in found.reachable


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("composite[0].prepare", "output 'value'"),
        ("composite[2].graph", "output 'all'"),
    ],
)
def test_an_output_that_was_not_handed_on_cannot_be_reached(name: str, told: str) -> None:
    recording = recorded("composite")
    wrong = {told.split("'")[1]: "another"}
    found = judged("composite", with_node(recording, name, outputs=wrong)).unreachable
    assert found is not None
    assert (found.vertex, found.reachable.partition(" '")[0]) == (name, "output")


def test_the_output_of_a_pod_must_be_the_input_of_what_takes_it() -> None:
    recording = with_node(
        recorded("composite"), "composite[0].prepare(0)", outputs={"value": "another"}
    )
    found = judged("composite", recording).unreachable
    assert found is not None
    assert "input 'text'" in found.reachable


@pytest.mark.parametrize("case", CASES)
def test_another_end_of_the_workflow_cannot_be_reached(case: str) -> None:
    recording = recorded(case)
    last = recording.statuses[-1]
    for changes in ({"phase": PHASES[last.phase]}, {"message": "otherwise"}):
        statuses = [*recording.statuses[:-1], replace(last, **changes)]
        found = judged(case, with_statuses(recording, statuses)).unreachable
        assert found is not None
        assert found.vertex == recording.header.workflow
        assert found.shown.startswith("workflow ")


def test_a_node_that_goes_away_is_found() -> None:
    recording = recorded("failure")
    statuses = list(recording.statuses)
    statuses[2] = replace(statuses[2], removed=("failure.blocked",))
    found = judged("failure", with_statuses(recording, statuses)).unreachable
    assert found is not None
    assert (found.vertex, found.shown) == ("failure.blocked", "the node is gone")


def test_a_failed_pod_may_be_called_deleted_when_it_goes_later() -> None:
    recording = recorded("backoff")
    first = next(node for _, node in nodes(recording) if node.name == "backoff(0)" and node.message)
    last = recording.statuses[-1]
    late = replace(first, phase="Error", message="pod deleted")
    statuses = [*recording.statuses[:-1], replace(last, nodes=(*last.nodes, late))]
    assert judged("backoff", with_statuses(recording, statuses)).unreachable is None


def test_a_document_that_the_reducer_refuses_is_not_judged(tmp_path) -> None:
    from chaosml.shadow.judging import hold

    other = tmp_path / "workflow.yaml"
    other.write_text("kind: Workflow\nspec: {entrypoint: nothing}\n")
    outcome = hold(other, recorded("calm"))
    assert outcome.reachable is None
    assert outcome.why_not_judged.startswith("the reducer does not run the document")


def test_what_came_from_a_cache_is_not_judged() -> None:
    outcome = judged("calm", with_node(recorded("calm"), "calm", memoized=True))
    assert outcome.reachable is None
    assert "cache" in outcome.why_not_judged


def test_a_recording_that_would_take_minutes_is_not_judged() -> None:
    recording = recorded("gone")
    many = with_statuses(recording, list(recording.statuses) * 100_000)
    assert (
        judged("gone", many).why_not_judged == "600000 statuses of 3 nodes are too many to replay"
    )
