"""The run directory: names that never collide or escape, whole documents, dead owners."""

import datetime
import errno
import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from chaosml.errors import HistoryError, UsageError
from chaosml.store.directory import INPUTS, Owner, RunDirectory, unfinished

STARTED = datetime.datetime(2026, 11, 24, 22, 15, 0, tzinfo=datetime.UTC)


@pytest.fixture
def reports(tmp_path):
    return tmp_path / "reports"


@pytest.fixture
def directory(reports):
    return RunDirectory.create(reports, "spot", STARTED)


def write_inputs(directory, names=INPUTS):
    for name in names:
        directory.write(name, b"{}\n")


def test_a_run_is_named_by_the_second_in_which_it_started(directory, reports):
    assert directory.path == reports.absolute() / "spot" / "20261124T221500Z"
    assert directory.run == "20261124T221500Z"
    assert directory.path.is_dir()


def test_a_start_in_another_zone_is_named_in_utc(reports):
    zone = datetime.timezone(datetime.timedelta(hours=2))
    made = RunDirectory.create(reports, "spot", STARTED.astimezone(zone))
    assert made.run == "20261124T221500Z"


def test_a_second_run_in_the_same_second_gets_a_directory_of_its_own(directory, reports):
    directory.write("plan.json", b"first")
    second = RunDirectory.create(reports, "spot", STARTED)
    third = RunDirectory.create(reports, "spot", STARTED)
    assert (second.run, third.run) == ("20261124T221500Z-2", "20261124T221500Z-3")
    assert (directory.path / "plan.json").read_bytes() == b"first"


def test_latest_names_the_newest_run_relative_to_its_folder(directory, reports):
    link = reports / "spot" / "latest"
    assert os.readlink(link) == directory.run
    second = RunDirectory.create(reports, "spot", STARTED)
    assert os.readlink(link) == second.run
    assert sorted(path.name for path in (reports / "spot").iterdir()) == [
        directory.run,
        second.run,
        "latest",
    ]


def test_a_run_whose_latest_link_cannot_be_made_leaves_nothing_behind(reports):
    (reports / "spot" / "latest").mkdir(parents=True)
    with pytest.raises(HistoryError, match=r"cannot create a run directory in .*spot"):
        RunDirectory.create(reports, "spot", STARTED)
    assert [path.name for path in (reports / "spot").iterdir()] == ["latest"]


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../spot", "a/b", "/tmp", "latest", "a\nb", "-rf", ".hidden", "x" * 101]
)
def test_a_scenario_name_that_is_no_plain_folder_name_is_refused(reports, name):
    with pytest.raises(UsageError, match="cannot name a folder"):
        RunDirectory.create(reports, name, STARTED)
    assert not reports.exists()


def test_reports_below_a_file_are_an_error_with_the_path(tmp_path):
    (tmp_path / "reports").write_text("a file")
    with pytest.raises(HistoryError, match=r"reports/spot: Not a directory"):
        RunDirectory.create(tmp_path / "reports", "spot", STARTED)


def test_a_document_replaces_its_older_one_whole(directory):
    directory.write("verdict.json", b"old and longer")
    directory.write("verdict.json", b"new")
    assert (directory.path / "verdict.json").read_bytes() == b"new"
    assert [path.name for path in directory.path.iterdir()] == ["verdict.json"]


def test_a_document_can_be_read_by_whom_the_umask_lets(directory):
    previous = os.umask(0o022)
    try:
        directory.write("summary.md", b"x")
    finally:
        os.umask(previous)
    assert (directory.path / "summary.md").stat().st_mode & 0o777 == 0o644


def test_a_full_disk_keeps_the_older_document_and_names_the_path(directory, monkeypatch):
    directory.write("verdict.json", b"old")

    def refuse(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(HistoryError, match=r"cannot write .*verdict\.json: No space left"):
        directory.write("verdict.json", b"new")
    assert (directory.path / "verdict.json").read_bytes() == b"old"
    assert [path.name for path in directory.path.iterdir()] == ["verdict.json"]


def test_executions_get_folders_of_their_own_and_are_listed_by_number(directory):
    for number in (10, 2, 1):
        folder = directory.execution("trial", number)
        assert (folder / "pods").is_dir()
        (folder / "history.jsonl").write_bytes(b"")
    control = directory.execution("control", 1)
    assert control == directory.path / "controls" / "1"
    assert [path.parent.name for path in directory.histories("trial")] == ["1", "2", "10"]
    assert directory.histories("control") == []
    (control / "history.jsonl").write_bytes(b"")
    assert directory.histories("control") == [control / "history.jsonl"]


def test_an_execution_never_overwrites_an_older_one(directory):
    directory.execution("trial", 1)
    with pytest.raises(HistoryError, match=r"trials/1: File exists"):
        directory.execution("trial", 1)


@pytest.mark.parametrize("named", ["20261124T221500Z", "latest", "."])
def test_a_run_is_opened_by_its_name_by_latest_or_by_its_scenario(directory, reports, named):
    write_inputs(directory)
    opened = RunDirectory.open(reports / "spot" / named)
    assert opened.path == directory.path.resolve()
    assert opened.run == "20261124T221500Z"


def test_what_is_not_there_is_not_opened(tmp_path):
    with pytest.raises(HistoryError, match="there is no such run directory; name one such as"):
        RunDirectory.open(tmp_path / "nowhere")


def test_a_folder_that_is_no_run_is_not_opened(tmp_path):
    with pytest.raises(HistoryError, match="is no run directory"):
        RunDirectory.open(tmp_path)


def test_a_run_that_ended_before_its_inputs_were_written_says_what_is_missing(directory):
    write_inputs(directory, INPUTS[:2])
    with pytest.raises(HistoryError, match=r"before it wrote plan\.json, invocation\.json"):
        RunDirectory.open(directory.path)


def test_a_run_of_this_process_is_not_unfinished(directory, reports):
    directory.own(Owner.here(workspace=pathlib.Path("/tmp/chaosml-x"), run="mark"))
    assert directory.owner is not None
    assert directory.owner.is_alive
    assert directory.owner.run == "mark"
    assert unfinished(reports) == []


def test_a_run_whose_process_is_gone_is_unfinished_until_it_is_disowned(directory, reports):
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    record = owner_record(process.pid)
    directory.write("owner.json", record)
    assert unfinished(reports) == []
    process.send_signal(signal.SIGKILL)
    # Not reaped yet: a zombie runs nothing.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert [found.path for found in unfinished(reports)] == [directory.path]
    process.communicate()
    assert [found.path for found in unfinished(reports)] == [directory.path]
    directory.disown()
    directory.disown()
    assert unfinished(reports) == []
    assert directory.owner is None


def owner_record(pid, **changes):
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    record = {"pid": pid, "started": int(stat[19]), "boot": boot, "workspace": "/w", "run": "m"}
    return json.dumps(record | changes).encode()


@pytest.mark.parametrize("change", [{"started": 1}, {"boot": "another"}])
def test_a_process_that_only_has_the_number_of_the_owner_is_not_the_owner(
    directory, reports, change
):
    directory.write("owner.json", owner_record(os.getpid()))
    assert unfinished(reports) == []
    directory.write("owner.json", owner_record(os.getpid(), **change))
    assert [found.path for found in unfinished(reports)] == [directory.path]


def test_unfinished_runs_are_found_once_although_latest_names_them_too(directory, reports):
    second = RunDirectory.create(reports, "spot", STARTED)
    other = RunDirectory.create(reports, "adhoc", STARTED)
    for made in (second, directory, other):
        made.write("owner.json", owner_record(os.getpid(), started=1))
    found = [path.path for path in unfinished(reports)]
    assert found == [other.path, directory.path, second.path]


def test_where_no_reports_are_nothing_is_unfinished(tmp_path):
    assert unfinished(tmp_path / "nowhere") == []


def test_an_owner_that_cannot_be_understood_is_an_error_with_the_way_out(directory, reports):
    directory.write("owner.json", b'{"pid": "many"}')
    with pytest.raises(HistoryError, match=r"owner\.json: names no owner .* remove it if no"):
        unfinished(reports)
