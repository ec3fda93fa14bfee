"""Every report, byte for byte as it was looked at and found good; see `golden.py`."""

import difflib

import golden
import pytest

MADE = dict(golden.renderings())


@pytest.mark.parametrize("name", MADE)
def test_a_report_is_what_it_was_when_it_was_found_good(name):
    wanted = (golden.FOLDER / name).read_text(encoding="utf-8")
    found = MADE[name].decode()
    difference = difflib.unified_diff(wanted.splitlines(), found.splitlines(), lineterm="")
    assert found == wanted, "\n" + "\n".join(difference)


def test_no_golden_file_outlives_its_report():
    assert {path.name for path in golden.FOLDER.iterdir()} == set(MADE)
