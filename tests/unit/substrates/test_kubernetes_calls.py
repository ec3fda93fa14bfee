"""Calls of the API in the words of permissions, and the file that keeps them."""

from __future__ import annotations

import errno
import os
import pathlib
from typing import Any

import msgspec
import pytest

from chaosml.errors import HistoryError
from chaosml.substrates.kubernetes.calls import (
    Call,
    CallLog,
    RecordingApi,
    RecordingMachines,
    call_of,
)
from chaosml.substrates.kubernetes.imagined import ImaginedCluster, ImaginedMachines

IN = "/api/v1/namespaces/ml"


@pytest.mark.parametrize(
    ("method", "path", "query", "words", "changes"),
    [
        ("GET", f"{IN}/pods", {"labelSelector": "a=b"}, "list pods where a=b", False),
        ("GET", f"{IN}/pods", {"watch": "true"}, "watch pods", False),
        ("GET", f"{IN}/pods/p/log", {"follow": "true"}, "get pods/log/p", False),
        ("GET", "/api/v1/namespaces/ml", {}, "get namespaces/ml", False),
        ("GET", "/apis/argoproj.io/v1alpha1", {}, "get (resources).argoproj.io", False),
        (
            "DELETE",
            "/apis/argoproj.io/v1alpha1/namespaces/ml/workflows/w",
            {},
            "delete workflows.argoproj.io/w",
            True,
        ),
    ],
)
def test_a_call_is_said_as_a_permission_would_say_it(
    method: str, path: str, query: dict[str, str], words: str, changes: bool
) -> None:
    call = call_of(method, path, query=query)
    assert (str(call), call.changes) == (words, changes)
    assert call.namespace == (None if path.endswith(("v1alpha1", "namespaces/ml")) else "ml")


def test_a_question_about_permissions_changes_nothing_although_it_is_a_creation() -> None:
    attributes = {"verb": "get", "resource": "pods", "subresource": "log", "namespace": "ml"}
    body = {"kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": attributes}}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    call = call_of("POST", path, body=body)
    assert call.detail == "may I get pods/log?"
    assert not call.changes


def test_a_body_is_known_by_its_digest_and_not_shown() -> None:
    secret = {"kind": "Pod", "metadata": {"name": "p"}, "spec": {"token": "s3cret-value"}}
    first = call_of("POST", f"{IN}/pods", body=secret)
    second = call_of("POST", f"{IN}/pods", body={**secret, "spec": {}})
    assert (first.name, second.name) == ("p", "p")
    assert first.body != second.body
    assert "s3cret-value" not in str(first)


def test_every_call_is_told_before_it_is_made() -> None:
    told: list[str] = []
    cluster = ImaginedCluster("ml")

    def tell(call: Call) -> None:
        told.append(f"{call} of {len(cluster.created)}")

    api = RecordingApi(cluster, tell)
    machines = RecordingMachines(ImaginedMachines(cluster), tell)
    pod: dict[str, Any] = {"kind": "Pod", "metadata": {"name": "p"}}
    api.create(f"{IN}/pods", pod)
    api.replace(f"{IN}/pods/p", pod)
    api.patch(f"{IN}/pods/p", {"spec": {"a": 1}})
    api.stream(f"{IN}/pods", watch="true").close()
    api.dial("ml", "p", 7070).close()
    assert api.run("ml", "p", "main", ("sh", "-c", "kill 1")).code == 0
    api.delete(f"{IN}/pods/p", {"gracePeriodSeconds": 0})
    machines.kill("node-1")
    machines.start("node-1")
    assert machines.workers() == ("node-1", "node-2")
    assert [one.partition(" sha256")[0] for one in told] == [
        "create pods/p Pod",
        "update pods/p Pod",
        "patch pods/p merge",
        "watch pods of 1",
        "create pods/portforward/p port 7070 of 1",
        "create pods/exec/p main: sh of 1",
        "delete pods/p grace 0s of 1",
        "kill containers.docker/node-1 of 1",
        "start containers.docker/node-1 of 1",
    ]
    assert told[0].endswith("of 0")


def test_the_file_has_a_call_a_line(tmp_path: pathlib.Path) -> None:
    log = CallLog(tmp_path / "calls.jsonl")
    call = call_of("GET", f"{IN}/pods")
    log.take(call)
    log.close()
    log.take(call)
    log.close()
    (line,) = (tmp_path / "calls.jsonl").read_bytes().splitlines()
    assert msgspec.convert(msgspec.json.decode(line)["call"], Call) == call


def test_a_disk_that_is_full_is_told_at_the_end_and_disturbs_nobody_before(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = CallLog(tmp_path / "calls.jsonl")

    def refuse(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", refuse)
        log.take(call_of("GET", f"{IN}/pods"))
    with pytest.raises(HistoryError, match="lacks calls: No space left"):
        log.close()
