"""A run by itself: the page in its directory, and rows of a session that are no trend."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "reports"))

import judgements

from chaosml.scorecard.alone import page_of, scorecard_of
from chaosml.scorecard.reading import Found


def test_the_page_of_a_run_is_the_same_from_every_working_directory(tmp_path, monkeypatch):
    run = tmp_path / "reports" / "spot" / "20261124T221500Z"
    run.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    first = page_of(run, judgements.failed())
    monkeypatch.chdir(run)
    assert page_of(run, judgements.failed()) == first
    assert b"20261124T221500Z" in first
    assert str(tmp_path).encode() not in first


def test_each_run_of_a_session_is_a_row_also_where_two_are_alike():
    found = [
        Found(pathlib.Path("reports/spot/one"), judgements.passed()),
        Found(pathlib.Path("reports/spot/two"), judgements.passed()),
    ]
    made = scorecard_of(found)
    assert [row.latest.folder for row in made.rows] == ["reports/spot/one", "reports/spot/two"]
    assert not any(row.earlier or row.changes or row.latest.stale for row in made.rows)


def test_a_hostile_judgement_is_escaped():
    page = page_of(pathlib.Path("run"), judgements.hostile()).decode()
    assert "<script" not in page
