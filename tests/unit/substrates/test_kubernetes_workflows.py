"""What a workflow's status says that the one before did not, and which view a death had."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest

from chaosml.event import TaskPhase, WorkflowPhase
from chaosml.substrates.kubernetes.deaths import Deaths
from chaosml.substrates.kubernetes.pods import Pod
from chaosml.substrates.kubernetes.workflows import Place, WorkflowFollower, place_of
from tests.unit.substrates.kubernetes_objects import WALL, change, vertex, workflow

S = 1_000_000_000


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("spot-t1.train(1)", Place("train", 1)),
        ("spot-t1.train", Place("train", 0)),
        ("spot-t1.dag.inner(12)", Place("inner", 12)),
        ("spot-t1[0].fit(2)", Place("fit", 2)),
        ("spot-t1[0].fit[1].deep", Place("deep", 0)),
        ("spot-t1", Place("template", 0)),
        ("spot-t1(3)", Place("template", 3)),
        ("spot-t1.onExit(0)", Place("template", 0)),
    ],
)
def test_the_name_of_a_vertex_tells_its_task_and_attempt(name: str, place: Place) -> None:
    assert place_of("spot-t1", name, "template") == place


def test_a_new_vertex_is_said_with_all_that_argo_says_of_it() -> None:
    follows = WorkflowFollower("spot-t1", WALL)
    node = vertex(
        "spot-t1.train(1)",
        "Failed",
        message="main: Error (exit code 143)",
        finished=40,
        outputs={"exitCode": "143", "parameters": [{"name": "key", "value": "k"}]},
    )
    said = list(follows.take(change(workflow(node), at=50.0, since=30.0)))
    fact = said[0].fact
    assert isinstance(fact, TaskPhase)
    assert (fact.task, fact.attempt, fact.phase) == ("train", 1, "Failed")
    assert (fact.exit_code, fact.outputs) == ("143", {"key": "k"})
    assert fact.pod == "spot-t1-train-3841956019"
    # Argo had decided after the pod's end and before we saw the status.
    assert said[0].between == (40 * S, 50 * S)
    assert said[1].fact == WorkflowPhase(phase="Running")


def test_only_what_differs_is_said() -> None:
    follows = WorkflowFollower("spot-t1", WALL)
    first = workflow(vertex("spot-t1.a", "Running"), vertex("spot-t1.b", "Running"))
    second = workflow(vertex("spot-t1.a", "Running"), vertex("spot-t1.b", "Succeeded", finished=20))
    list(follows.take(change(first, at=11.0)))
    said = list(follows.take(change(second, at=21.0)))
    assert [one.fact.vertex for one in said if isinstance(one.fact, TaskPhase)] == ["spot-t1.b"]
    assert list(follows.take(change(second, at=22.0))) == []


def test_the_vertex_of_a_retry_is_no_attempt() -> None:
    follows = WorkflowFollower("spot-t1", WALL)
    status = workflow(vertex("spot-t1.train", "Running", kind="Retry"))
    fact = next(follows.take(change(status, at=11.0))).fact
    assert isinstance(fact, TaskPhase)
    assert (fact.task, fact.attempt, fact.pod) == ("train", None, None)


def test_a_compressed_status_is_read() -> None:
    nodes = {"a": vertex("spot-t1.a", "Running")}
    packed = base64.b64encode(gzip.compress(json.dumps(nodes).encode())).decode()
    follows = WorkflowFollower("spot-t1", WALL)
    said = list(follows.take(change(workflow(compressedNodes=packed), at=11.0)))
    assert [one.fact.vertex for one in said if isinstance(one.fact, TaskPhase)] == ["spot-t1.a"]


def test_the_end_of_the_workflow_is_known_with_its_message() -> None:
    follows = WorkflowFollower("spot-t1", WALL)
    list(follows.take(change(workflow(), at=11.0)))
    assert follows.finished is None
    list(follows.take(change(workflow(phase="Error", message="why"), at=12.0)))
    assert follows.finished == ("Error", "why")


def a_pod(uid: str = "u0", name: str = "spot-t1-train-1", attempt: int = 0) -> Pod:
    place = f"spot-t1.train({attempt})"
    return Pod(uid=uid, name=name, vertex=place, task="train", attempt=attempt, grace_s=30.0)


def phase(attempt: int | None, said: str, message: str = "") -> TaskPhase:
    name = "spot-t1.train" if attempt is None else f"spot-t1.train({attempt})"
    kind = "Retry" if attempt is None else "Pod"
    return TaskPhase(
        vertex=name,
        display_name=name,
        template="train",
        type=kind,
        phase=said,
        message=message,
        task="train",
        attempt=attempt,
    )


def views(deaths: Deaths, **options: Any) -> list[tuple[str, str]]:
    return [(pod.uid, gone.view) for pod, gone in deaths.settle(**options)]


@pytest.mark.parametrize(
    ("said", "message", "view"),
    [
        ("Succeeded", "", "seen"),
        ("Failed", "main: Error (exit code 143)", "seen"),
        ("Error", "wait: cannot read the outputs", "wait-failed"),
        ("Error", "main: OOMKilled (exit code 137)", "seen"),
    ],
)
def test_the_phase_tells_the_view_of_a_death(said: str, message: str, view: str) -> None:
    deaths, pod = Deaths(), a_pod()
    assert list(deaths.add(pod)) == []
    deaths.take(phase(0, said, message))
    assert views(deaths) == []
    pod.exited = True
    assert views(deaths) == [("u0", view)]
    assert views(deaths, ended=True) == []


def test_a_deleted_pod_is_gone_once_the_next_attempt_is_there() -> None:
    deaths, pod = Deaths(), a_pod()
    list(deaths.add(pod))
    pod.gone = True
    deaths.take(phase(0, "Error", "pod deleted"))
    assert views(deaths) == []
    deaths.take(phase(1, "Pending"))
    assert views(deaths) == [("u0", "gone")]


def test_a_deleted_pod_whose_attempt_gets_another_was_restarted() -> None:
    deaths, pod = Deaths(), a_pod()
    list(deaths.add(pod))
    pod.gone = True
    deaths.take(phase(0, "Error", "pod deleted"))
    assert views(deaths) == []
    ((before, gone),) = deaths.add(a_pod("u1"))
    assert (before.uid, gone.view) == ("u0", "restarted")
    assert views(deaths) == []


def test_a_deleted_pod_is_gone_when_argo_gives_the_task_up() -> None:
    deaths, pod = Deaths(), a_pod()
    list(deaths.add(pod))
    pod.gone = True
    deaths.take(phase(0, "Error", "pod deleted"))
    deaths.take(phase(None, "Error", "No more retries left"))
    assert views(deaths) == [("u0", "gone")]
