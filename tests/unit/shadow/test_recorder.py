"""From what the API shows to a recording: each status once, each pod as far as Argo reads it."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

from chaosml.shadow.recording import RECORDING, PodState, Recording, read
from chaosml.substrates.kubernetes.nodes import NodeFollower
from chaosml.substrates.kubernetes.observer import Observer, Report
from chaosml.substrates.kubernetes.pods import trim
from chaosml.substrates.kubernetes.recorder import Recorder
from chaosml.substrates.kubernetes.watches import Kind
from chaosml.substrates.kubernetes.workflows import nodes_of
from chaosml.substrates.protocol import Submission
from tests.unit.substrates.kubernetes_objects import (
    EPOCH,
    SECOND,
    WALL,
    change,
    ended,
    pod,
    vertex,
    workflow,
)


@pytest.fixture
def recorder(tmp_path: pathlib.Path) -> Recorder:
    return Recorder(
        tmp_path / RECORDING,
        wall=WALL,
        parameters={"steps": "3"},
        hide=lambda text: text.replace("hunter22", "***"),
    )


def take(recorder: Recorder, at: float, item: dict[str, Any]) -> None:
    recorder.take_workflow(change(item, at=at), nodes_of(item["status"]))


def closed(recorder: Recorder, folder: pathlib.Path, why: str = "") -> Recording:
    recorder.close(why)
    found = read(folder / RECORDING)
    assert found is not None
    return found


def test_a_status_is_recorded_as_far_as_it_differs(
    recorder: Recorder, tmp_path: pathlib.Path
) -> None:
    first = [vertex("spot-t1.a", "Running"), vertex("spot-t1.b", "Pending")]
    second = [vertex("spot-t1.a", "Running"), vertex("spot-t1.b", "Running")]
    take(recorder, 11.0, workflow(*first))
    take(recorder, 12.0, workflow(*first, resourcesDuration={"cpu": 3}))
    take(recorder, 13.0, workflow(*second))
    take(recorder, 14.0, workflow(*second, phase="Succeeded"))
    found = closed(recorder, tmp_path)
    assert found.header.parameters == {"steps": "3"}
    assert [
        (status.phase, [(node.name, node.phase) for node in status.nodes])
        for status in found.statuses
    ] == [
        ("Running", [("spot-t1.a", "Running"), ("spot-t1.b", "Pending")]),
        ("Running", [("spot-t1.b", "Running")]),
        ("Succeeded", []),
    ]
    assert found.statuses[0].at_ns == EPOCH + 11 * SECOND
    assert found.cut == ""


def test_what_the_replay_reads_of_a_node_is_recorded_without_secrets(
    recorder: Recorder, tmp_path: pathlib.Path
) -> None:
    node = vertex(
        "spot-t1.a(1)",
        "Failed",
        message="hunter22 is no token",
        finished=20,
        id="spot-t1-1",
        boundaryID="spot-t1",
        children=["spot-t1-2"],
        nodeFlag={"retried": True},
        hostNodeName="worker",
        inputs={"parameters": [{"name": "in", "value": "1"}]},
        outputs={
            "exitCode": "3",
            "result": "hunter22",
            "parameters": [{"name": "out", "value": "2"}, {"name": "late"}],
        },
    )
    take(recorder, 21.0, workflow(node))
    (shown,) = closed(recorder, tmp_path).statuses[0].nodes
    assert (shown.id, shown.boundary, shown.children) == ("spot-t1-1", "spot-t1", ("spot-t1-2",))
    assert (shown.message, shown.result) == ("*** is no token", "***")
    assert (shown.inputs, shown.outputs, shown.exit_code) == ({"in": "1"}, {"out": "2"}, "3")
    assert (shown.retried, shown.hooked, shown.memoized) == (True, False, False)
    assert (shown.host, shown.finished) == ("worker", "2026-11-25T12:00:20Z")


def test_a_node_that_argo_drops_is_recorded_as_removed(
    recorder: Recorder, tmp_path: pathlib.Path
) -> None:
    take(recorder, 11.0, workflow(vertex("spot-t1.a", "Running"), vertex("spot-t1.b", "Running")))
    take(recorder, 12.0, workflow(vertex("spot-t1.b", "Running")))
    assert closed(recorder, tmp_path).statuses[1].removed == ("spot-t1.a",)


def test_a_pod_is_recorded_as_far_as_argo_decides_by_it(
    recorder: Recorder, tmp_path: pathlib.Path
) -> None:
    take(recorder, 10.0, workflow())
    item = pod(state=ended(30, 137), deleted=(31, 5))
    item["status"]["message"] = "The node was low on resource"
    item["status"]["containerStatuses"][0]["state"] = ended(31, 2)
    item["status"]["containerStatuses"][1]["state"]["terminated"] |= {
        "reason": "OOMKilled",
        "message": "too big",
    }
    recorder.take_pod(change(trim(item), at=31.0))
    recorder.take_pod(change(trim(item), at=32.0))
    recorder.take_pod(change(trim(item), at=33.0, kind=Kind.DELETED))
    first, last = closed(recorder, tmp_path).pods
    assert first == PodState(
        at_ns=EPOCH + 31 * SECOND,
        uid="u0",
        pod="spot-t1-train-1234",
        vertex="spot-t1.train(0)",
        phase="Running",
        message="The node was low on resource",
        exit_code=137,
        reason="OOMKilled",
        termination="too big",
        wait_exit_code=2,
        deleted=True,
    )
    assert (last.at_ns, last.gone) == (EPOCH + 33 * SECOND, True)


@pytest.mark.parametrize(
    ("phase", "why_lost", "cut"),
    [
        ("Succeeded", "", ""),
        ("Running", "", "the workflow had not ended"),
        ("Running", "the API server went away", "the API server went away"),
    ],
)
def test_an_execution_is_recorded_where_it_is_asked_for(
    tmp_path: pathlib.Path, phase: str, why_lost: str, cut: str
) -> None:
    submission = Submission(
        name="spot-t1",
        workflow_file=tmp_path / "workflow.yaml",
        parameters={},
        overlay=(),
        logs=tmp_path / "pods",
        recording=tmp_path / RECORDING,
    )
    observer = Observer(
        submission, nodes=NodeFollower(), wall=WALL, follow_log=lambda *_: pytest.fail("no pod")
    )
    shown = workflow(vertex("spot-t1", "Running"), phase=phase)
    observer.take(Report("workflows", change(shown, at=11.0)))
    observer.close(why_lost)
    observer.close("again")
    found = read(tmp_path / RECORDING)
    assert found is not None
    assert ([status.phase for status in found.statuses], found.cut) == ([phase], cut)
