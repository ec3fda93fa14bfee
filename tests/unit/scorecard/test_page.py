"""The page: what it shows of a run, what it says where something is missing, its size."""

import gzip
import pathlib
import shutil

import judgements
import pytest
import runs

from chaosml.scorecard import page
from chaosml.scorecard.assembly import assemble
from chaosml.scorecard.reading import read_runs
from chaosml.verdict import Status

RECORDED = pathlib.Path(__file__).parents[2] / "quality" / "recorded"


def render(*reports):
    harvest = read_runs(reports)
    return page.render(assemble(harvest, now=runs.NOW), harvest).decode()


@pytest.fixture
def recorded(tmp_path):
    """A run as `chaosml run` recorded it, with its histories."""
    folder = tmp_path / "reports" / "spot-adhoc" / runs.FRESH
    shutil.copytree(RECORDED / "spot-adhoc", folder)
    for packed in folder.rglob("history.jsonl.gz"):
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()
    return folder


def test_a_recorded_run_is_shown_with_timelines_events_and_its_command(recorded):
    shown = render(recorded)
    executions = len(read_runs([recorded]).found[0].judgement.executions)
    assert shown.count("<figure") == executions
    assert "no history kept" not in shown
    for kind in ("running", "fault", "detect"):
        assert f'class="b-{kind}"' in shown
    assert "<polyline points=" in shown
    assert "history.jsonl:" in shown
    assert 'class="raw"' in shown
    assert "chaosml run" in shown


def test_without_a_history_the_page_says_so_and_shows_the_verdicts(tmp_path):
    runs.write(tmp_path, judgements.failed())
    shown = render(tmp_path)
    assert shown.count("no history kept, so there is no timeline") == 6
    assert "half-trained-model-registered" in shown
    assert "<figure" not in shown
    assert "KeyError: 1" in shown


def test_a_damaged_history_is_named_and_the_others_are_drawn(recorded):
    path = recorded / "trials" / "1" / "history.jsonl"
    path.write_text("no event\n")
    shown = render(recorded)
    assert "the history cannot be drawn" in shown
    assert str(recorded.parents[2]) in shown or "history.jsonl:1" in shown
    assert shown.count("<figure") == len(list(recorded.rglob("history.jsonl"))) - 1


def test_a_history_that_is_too_long_is_not_read(recorded, monkeypatch):
    monkeypatch.setattr(page, "_HISTORY_MAX", 1000)
    assert "the history is too long to be drawn" in render(recorded)


def test_the_page_keeps_its_limit_and_says_what_it_left_out(recorded, monkeypatch):
    whole = render(recorded)
    monkeypatch.setattr(page, "SIZE_MAX", len(whole) - 20_000)
    shown = render(recorded)
    assert len(shown.encode()) <= page.SIZE_MAX + 1000
    assert "executions are not shown in detail here" in shown
    assert 0 < shown.count("<figure") < whole.count("<figure")


def test_failures_are_shown_in_detail_before_what_held(tmp_path, monkeypatch):
    runs.write(tmp_path, judgements.failed())
    bare = len(render(tmp_path))
    monkeypatch.setattr(page, "SIZE_MAX", bare - 3000)
    shown = render(tmp_path)
    assert "pod-deleted-not-retried" in shown
    assert shown.count('<details class="x">') < 6


def test_the_same_runs_at_the_same_time_give_the_same_bytes(recorded):
    assert render(recorded) == render(recorded)


def test_an_empty_scorecard_is_a_page_that_names_what_was_skipped(tmp_path):
    (tmp_path / "foreign.json").write_text("{}")
    shown = render(tmp_path)
    assert "is no document of a run" in shown
    assert "Overview" not in shown


def test_earlier_runs_are_a_trend_in_which_every_regression_is_named(tmp_path):
    broken = runs.without(runs.perfect(), "resume", "trial/2", status=Status.FAIL)
    runs.write(tmp_path, runs.perfect(), "20261101T000000Z")
    runs.write(tmp_path, broken, "20261102T000000Z")
    runs.write(tmp_path, runs.perfect(), "20261103T000000Z")
    trend = render(tmp_path).split("<h3>Trend</h3>")[1].split("</table>")[0]
    worse = [
        line.count("expectation-broken") for line in trend.splitlines() if "<code>2026" in line
    ]
    assert worse == [0, 1, 0]


def test_of_a_long_trend_the_oldest_runs_are_counted(tmp_path):
    for day in range(1, 26):
        runs.write(tmp_path, runs.perfect(), f"202610{day:02d}T000000Z")
    shown = render(tmp_path)
    assert "and 5 older runs" in shown
    assert "20261006T000000Z" in shown
    assert "20261005T000000Z" not in shown
