"""Results line by line: what was torn off by a death is tested again."""

import pytest

from chaosml.errors import HistoryError
from chaosml.sweep.journal import Journal
from chaosml.sweep.result import StateResult
from chaosml.verdict import Status


def result(number):
    return StateResult(state=number, view="restarted", status=Status.PASS)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "states.jsonl"


def test_what_was_appended_is_read(path):
    journal = Journal(path, StateResult)
    assert journal.read() == []
    journal.append(result(1))
    journal.append(result(2))
    assert journal.read() == [result(1), result(2)]


def test_a_torn_last_line_is_ignored_and_cut_off_before_the_next(path):
    journal = Journal(path, StateResult)
    journal.append(result(1))
    with open(path, "ab") as file:
        file.write(b'{"state":2,"vi')
    assert journal.read() == [result(1)]
    journal.mend()
    journal.append(result(2))
    assert journal.read() == [result(1), result(2)]


def test_a_torn_line_inside_is_an_error(path):
    path.write_bytes(b'{"state":1\n{"state":2}\n')
    with pytest.raises(HistoryError, match="not results that this version knows"):
        Journal(path, StateResult).read()
