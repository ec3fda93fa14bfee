"""The history: numbering, closure, durability against a torn end."""

import pathlib
import resource

import pytest

from chaosml import history
from chaosml.errors import HistoryError
from chaosml.event import Basis, ClaimReady, Emission, SourceClosed, SourceLost, WorkflowPhase


def said(source: str, number: int) -> Emission:
    return Emission(
        source=source,
        source_seq=number,
        earliest_ns=10,
        latest_ns=20,
        basis=Basis.CLAIMED,
        subject="pod/p",
        data=ClaimReady(n=number, pid=1),
    )


def test_events_come_back_as_they_were_written_numbered_without_a_gap(tmp_path: pathlib.Path):
    path = tmp_path / "history.jsonl"
    with history.HistoryWriter(path, "boot") as writer:
        writer.record(history.OpenSource("log/p"))
        written = writer.record(said("log/p", 1))
        writer.record(history.CloseSource("log/p", 1))
    events = list(history.read(path))
    assert [event.seq for event in events] == [1, 2, 3, 4, 5]
    assert events[2] == written


def test_the_harness_numbers_its_own_events_and_closes_itself_with_the_last(tmp_path: pathlib.Path):
    path = tmp_path / "history.jsonl"
    with history.HistoryWriter(path, "boot") as writer:
        writer.say("workflow/w", WorkflowPhase(phase="Running"))
    events = list(history.read(path))
    assert [event.source_seq for event in events] == [1, 2, 3]
    assert events[-1].data == SourceClosed(source="harness", last=3)


def test_a_source_that_was_not_opened_may_not_speak(tmp_path: pathlib.Path):
    writer = history.HistoryWriter(tmp_path / "h.jsonl", "boot")
    with writer, pytest.raises(HistoryError, match="gate"):
        writer.record(said("gate", 1))


def test_a_lost_source_says_how_far_it_was_heard(tmp_path: pathlib.Path):
    path = tmp_path / "h.jsonl"
    with history.HistoryWriter(path, "boot") as writer:
        writer.record(history.OpenSource("gate"))
        writer.record(said("gate", 7))
        writer.record(history.LoseSource("gate", "killed"))
    lost = [event.data for event in history.read(path) if isinstance(event.data, SourceLost)]
    assert lost == [SourceLost(source="gate", last_seen=7, why="killed")]


def test_a_torn_last_line_loses_only_itself(tmp_path: pathlib.Path):
    path = tmp_path / "h.jsonl"
    history.HistoryWriter(path, "boot").close()
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"seq":3,"source":"har')
    assert len(list(history.read(path))) == len(whole.splitlines())


def test_a_broken_line_inside_is_named_with_its_number(tmp_path: pathlib.Path):
    path = tmp_path / "h.jsonl"
    history.HistoryWriter(path, "boot").close()
    path.write_bytes(b'{"seq":\n' + path.read_bytes())
    with pytest.raises(HistoryError, match=r"h\.jsonl:1: not an event"):
        list(history.read(path))


def test_an_existing_history_is_never_overwritten(tmp_path: pathlib.Path):
    path = tmp_path / "h.jsonl"
    path.write_text("precious")
    with pytest.raises(HistoryError, match="exists"):
        history.HistoryWriter(path, "boot")
    assert path.read_text() == "precious"


def test_a_disk_that_refuses_more_is_an_error_that_names_the_history(tmp_path: pathlib.Path):
    path = tmp_path / "h.jsonl"
    writer = history.HistoryWriter(path, "boot")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, limits[1]))
    try:
        with pytest.raises(HistoryError, match=r"cannot write the history .*h\.jsonl"):
            writer.say("workflow/w", WorkflowPhase(phase="Running"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        writer.close()
    assert len(list(history.read(path))) >= 1
