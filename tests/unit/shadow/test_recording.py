"""The file of a recording: what is written is read, up to a limit and without secrets."""

from __future__ import annotations

import pathlib

import pytest

from chaosml.errors import HistoryError
from chaosml.shadow.recording import Header, Node, PodState, RecordingWriter, Status, read

HEADER = Header(
    workflow="w",
    uid="u",
    namespace="n",
    created="2026-11-25T12:00:00Z",
    parameters={"token": "hunter22"},
)
STATUS = Status(
    at_ns=1,
    phase="Running",
    nodes=(
        Node(
            id="w-1",
            name="w.a(0:hunter22)",
            display_name="a(0:hunter22)",
            type="Pod",
            phase="Failed",
            message="said hunter22",
            outputs={"value": "hunter22!"},
            result="hunter22",
        ),
    ),
)
POD = PodState(at_ns=2, uid="p", pod="w-a-1", vertex="w.a", exit_code=3, termination="hunter22")


def test_what_is_written_is_read(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "workflow.jsonl"
    writer = RecordingWriter(path)
    for line in (HEADER, STATUS, POD):
        writer.write(line)
    writer.close()
    found = read(path)
    assert found is not None
    assert (found.header, found.statuses, found.pods, found.cut) == (
        HEADER,
        (STATUS,),
        (POD,),
        "",
    )


def test_no_secret_is_written(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "workflow.jsonl"
    writer = RecordingWriter(path, hide=lambda text: text.replace("hunter22", "***"))
    for line in (HEADER, STATUS, POD):
        writer.write(line)
    writer.close()
    assert "hunter22" not in path.read_text()
    found = read(path)
    assert found is not None
    assert found.statuses[0].nodes[0].outputs == {"value": "***!"}
    assert found.header.parameters == {"token": "***"}


def test_a_secret_that_is_a_word_of_the_format_breaks_nothing(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "workflow.jsonl"
    writer = RecordingWriter(path, hide=lambda text: text.replace("status", "***"))
    writer.write(HEADER)
    writer.write(STATUS)
    writer.close()
    found = read(path)
    assert found is not None
    assert found.statuses == (STATUS,)


def test_a_recording_has_a_limit_and_says_so(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "workflow.jsonl"
    writer = RecordingWriter(path, limit_bytes=1000)
    writer.write(HEADER)
    for _ in range(100):
        writer.write(STATUS)
    writer.close()
    found = read(path)
    assert found is not None
    assert 0 < len(found.statuses) < 10
    assert found.cut == "the recording grew too large"
    assert path.stat().st_size < 1200


def test_why_a_recording_ends_early_is_written(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "workflow.jsonl"
    writer = RecordingWriter(path)
    writer.write(HEADER)
    writer.close("the API server went away")
    writer.close("again")
    writer.write(STATUS)
    found = read(path)
    assert found is not None
    assert (found.statuses, found.cut) == ((), "the API server went away")


def test_a_torn_last_line_cuts_a_recording(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "workflow.jsonl"
    writer = RecordingWriter(path)
    writer.write(HEADER)
    writer.close()
    with path.open("a") as file:
        file.write('{"kind":"stat')
    found = read(path)
    assert found is not None
    assert found.cut == "the writer died in a line"


def test_a_workflow_that_argo_never_showed_has_no_recording(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "workflow.jsonl"
    RecordingWriter(path).close("the workflow had not ended")
    assert read(path) is None


def test_a_line_of_another_version_is_named(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "workflow.jsonl"
    path.write_text('{"kind":"future"}\n')
    with pytest.raises(HistoryError, match=r"workflow\.jsonl:1: is not what this version records"):
        read(path)


def test_a_recording_is_not_written_over(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "workflow.jsonl"
    RecordingWriter(path).close()
    with pytest.raises(HistoryError, match="cannot create the recording"):
        RecordingWriter(path)
