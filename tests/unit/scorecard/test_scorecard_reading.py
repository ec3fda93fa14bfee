"""Reading folders of runs: each run once, and whatever is none is named."""

import json
import os

import judgements
import msgspec
import pytest
import runs

from chaosml.errors import UsageError
from chaosml.reports import verdict_json
from chaosml.scorecard import reading
from chaosml.scorecard.model import SCHEMA
from chaosml.scorecard.reading import read_runs, read_scorecard
from chaosml.scorecard.writing import content
from chaosml.store.owner import Owner


def reasons(harvest):
    return {one.path.rsplit("/reports/", 1)[-1]: one.why for one in harvest.skipped}


@pytest.fixture
def reports(tmp_path):
    folder = tmp_path / "reports"
    runs.write(folder, judgements.passed())
    return folder


def test_a_run_is_read_once_however_it_is_reached(reports):
    (reports / "spot" / "latest").symlink_to(runs.FRESH, target_is_directory=True)
    given = [reports, reports / "spot", reports / "spot" / "latest"]
    given.append(reports / "spot" / runs.FRESH / "verdict.json")
    harvest = read_runs(given)
    assert [found.judgement.run for found in harvest.found] == [runs.FRESH]
    assert harvest.skipped == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        ('{"schema": 1, "scen', "is truncated; write it anew: chaosml judge RUN"),
        ("verdict: PASS", "is no JSON"),
        ("[1, 2]", "is a document of another program"),
        ('{"results": []}', "is a document of another program"),
        pytest.param("[" * 200_000, "is a document of another", id="deeply nested"),
        ('{"schema": "http://json-schema.org"}', "is a document of another program"),
        ('{"schema": 2}', "has schema 2 and this version reads up to 1: update chaosml"),
        ('{"schema": 1, "scenario": "spot"}', "is not what chaosml writes"),
        ('{"schema": 1, "scenario": "\\ud800"}', "is "),
        ("\udcff", "is "),
    ],
)
def test_a_verdict_that_cannot_be_read_is_named_with_the_reason(reports, text, why):
    broken = reports / "spot" / "20261125T000000Z"
    broken.mkdir()
    (broken / "verdict.json").write_bytes(text.encode(errors="surrogateescape"))
    harvest = read_runs([reports])
    assert len(harvest.found) == 1
    assert reasons(harvest)["spot/20261125T000000Z/verdict.json"].startswith(why)


def test_a_later_version_of_the_same_schema_may_say_more(reports):
    path = reports / "spot" / runs.FRESH / "verdict.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"novelty": {"a": 1}}))
    assert len(read_runs([reports]).found) == 1


def test_a_verdict_of_unreasonable_size_is_not_read(reports, monkeypatch):
    monkeypatch.setattr(reading, "_SIZE_MAX", 1 << 10)
    assert list(reasons(read_runs([reports])).values()) == ["is larger than 0 MiB"]


def test_a_folder_whose_name_is_no_text_can_be_shown_in_every_form(tmp_path):
    folder = os.fsencode(tmp_path / "reports") + b"/sp\xffot/run"
    os.makedirs(folder)
    with open(folder + b"/verdict.json", "wb") as file:
        file.write(verdict_json.render(judgements.passed()))
    with open(folder + b"/../\xfe.json", "wb") as file:
        file.write(b"{}")
    harvest = read_runs([tmp_path / "reports"])
    assert harvest.found[0].folder.endswith("sp\\xffot/run")
    made = runs.scorecard_of(tmp_path / "reports")
    for form in ("html", "json", "markdown", "badge", "csv", "parquet", "openmetrics"):
        assert content(form, made, harvest)


def test_a_run_that_was_not_judged_is_named_and_one_that_still_runs_is_harmless(reports):
    ended = reports / "spot" / "20261125T000000Z"
    ended.mkdir()
    (ended / "plan.json").write_text("{}")
    running = reports / "spot" / "20261125T000001Z"
    running.mkdir()
    (running / "scenario.yaml").write_text("")
    owner = Owner.here(workspace=running, run="20261125T000001Z")
    (running / "owner.json").write_bytes(msgspec.json.encode(owner))
    harvest = read_runs([reports])
    found = reasons(harvest)
    assert found["spot/20261125T000000Z"].startswith("ended before it was judged")
    assert found["spot/20261125T000001Z"] == "is still running"
    assert [one.harmless for one in harvest.skipped] == [False, True]


def test_foreign_documents_and_folders_are_named_and_readmes_are_not(reports):
    (reports / "README.md").write_text("# runs")
    (reports / "coverage.json").write_text('{"meta": {}}')
    (reports / "screenshots").mkdir()
    (reports / "screenshots" / "a.png").write_bytes(b"")
    (reports / ".git").mkdir()
    (reports / ".git" / "config").write_text("")
    made = runs.scorecard_of(reports)
    (reports / "baseline.json").write_bytes(content("json", made, read_runs([reports])))
    assert reasons(read_runs([reports])) == {
        "coverage.json": "is no document of a run",
        "screenshots": "holds no run",
    }


def test_a_folder_that_is_not_there_or_holds_nothing_is_wrong_usage(tmp_path):
    with pytest.raises(UsageError, match="there is no such folder of runs"):
        read_runs([tmp_path / "nowhere"])
    with pytest.raises(UsageError, match="holds no run; make one: chaosml run"):
        read_runs([tmp_path])


def test_a_folder_that_must_not_be_read_is_named(reports, monkeypatch):
    closed = reports / "closed"
    closed.mkdir()
    scan = os.scandir

    def refuse(path):
        if path == closed:
            raise PermissionError(13, "Permission denied")
        return scan(path)

    # Root reads everything, so the file system is not asked to refuse.
    monkeypatch.setattr("chaosml.scorecard.reading.os.scandir", refuse)
    assert reasons(read_runs([reports])) == {"closed": "cannot be read: Permission denied"}


def test_a_scorecard_that_was_written_is_read_again_as_it_was(reports, tmp_path):
    made = runs.scorecard_of(reports)
    path = tmp_path / "baseline.json"
    path.write_bytes(content("json", made, read_runs([reports])))
    assert read_scorecard(path) == made


def test_a_scorecard_of_a_newer_schema_or_of_others_is_refused(tmp_path):
    path = tmp_path / "baseline.json"
    path.write_text(json.dumps({"kind": "chaosml.scorecard", "schema": SCHEMA + 1}))
    with pytest.raises(UsageError, match=f"has schema {SCHEMA + 1}; this version reads up to"):
        read_scorecard(path)
    path.write_text('{"kind": "other", "schema": 1}')
    with pytest.raises(UsageError, match="is no scorecard"):
        read_scorecard(path)
    path.write_text('{"kind": "chaosml.scorecard", "schema": 1}')
    with pytest.raises(UsageError, match="missing required field"):
        read_scorecard(path)
