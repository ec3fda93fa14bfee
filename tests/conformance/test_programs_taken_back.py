"""What programs have done in a run that died is taken back as its journal says."""

from __future__ import annotations

import datetime
import json
import pathlib

import msgspec
import pytest

from chaosml import history
from chaosml.errors import HarnessError
from chaosml.event import HealDone, InjectionIntended
from chaosml.runner import recovery
from chaosml.store.directory import OWNER, RunDirectory
from chaosml.store.owner import Owner

pytestmark = pytest.mark.slow

NOON = datetime.datetime(2026, 11, 25, 12, tzinfo=datetime.UTC)


def intended(argv: list[str], folder: pathlib.Path, **prior: object) -> InjectionIntended:
    return InjectionIntended(
        injection="t1.f",
        action="run-command",
        target="pod/uid-1",
        prior={"undo": json.dumps(argv), "timeout_s": 5.0, "folder": str(folder), **prior},
        owner_pid=1,
    )


DONE = HealDone(injection="t1.f", action="undo-command", target="pod/uid-1")


@pytest.fixture
def died(tmp_path: pathlib.Path):
    """Return what records the facts of a trial whose runner is gone."""
    directory = RunDirectory.create(tmp_path / "reports", "spot", NOON)
    here = Owner.here(workspace=tmp_path / "chaosml-none", run="spot-1-7")
    directory.own(msgspec.structs.replace(here, started=here.started + 1))
    path = directory.execution("trial", 1) / "history.jsonl"

    def record(*facts: object, cut: bool = False) -> RunDirectory:
        with history.HistoryWriter(path, "boot") as writer:
            for fact in facts:
                writer.say("injection/t1.f", fact)
        if cut:
            with open(path, "ab") as file:
                file.write(b'{"seq":9,"data":{"kind":"injection-intended","action":"run-comm')
        return directory

    return record


def recover(directory: RunDirectory) -> int:
    return recovery.recover(directory.path.parent.parent, lambda said: None)


def test_what_was_begun_is_taken_back_also_where_the_last_line_is_cut(died, tmp_path) -> None:
    directory = died(intended(["touch", "undone"], tmp_path), cut=True)
    assert recover(directory) == 1
    assert (tmp_path / "undone").exists()
    assert not (directory.path / OWNER).exists()


def test_what_was_taken_back_is_left_alone(died, tmp_path) -> None:
    assert recover(died(intended(["touch", "undone"], tmp_path), DONE)) == 0
    assert not (tmp_path / "undone").exists()


def test_a_second_begin_counts_anew(died, tmp_path) -> None:
    begun = intended(["touch", "undone"], tmp_path)
    assert recover(died(begun, DONE, begun)) == 1


@pytest.mark.parametrize(
    ("argv", "prior", "why"),
    [
        (["false"], {}, r"undo of t1\.f failed"),
        (["true"], {"environment": "NOT_SET"}, "NOT_SET is not set"),
        (["true"], {"answers": True}, "nonsense"),
        (["no-such-program"], {}, "No such file"),
    ],
)
def test_what_cannot_be_taken_back_keeps_its_record_and_says_how(
    died, tmp_path, argv: list[str], prior: dict, why: str
) -> None:
    directory = died(intended(argv, tmp_path, **prior))
    with pytest.raises(HarnessError, match=why) as raised:
        recover(directory)
    assert f"by hand, in {tmp_path}: {argv[0]}" in str(raised.value)
    assert (directory.path / OWNER).exists()
