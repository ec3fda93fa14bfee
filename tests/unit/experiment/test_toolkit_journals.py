"""Journals of the Chaos Toolkit: what of them is believed, and what never passes."""

from __future__ import annotations

import copy
import hashlib
import json
import pathlib
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chaosml.errors import HistoryError
from chaosml.experiment import journal, judging
from chaosml.runner import RunResult
from chaosml.verdict import Status, exit_code

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "reports"))

import judgements

SCENARIO = b"kind: Scenario\n"
ENTRY = {
    "activity": {
        "type": "action",
        "name": "run-the-scenario",
        "provider": {
            "type": "python",
            "module": "chaosml.chaostoolkit.actions",
            "func": "run_scenario",
        },
    },
    "status": "succeeded",
}


@pytest.fixture
def whole(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> dict:
    """A journal of an experiment that went well, with its run beside it."""
    run = tmp_path / "spot" / "20261124T221500Z"
    run.mkdir(parents=True)
    (run / "scenario.yaml").write_bytes(SCENARIO)
    made = judgements.passed()
    monkeypatch.setattr("chaosml.runner.rejudge", lambda path: RunResult(made, path))
    output = {"run": str(run), "scenario_sha256": hashlib.sha256(SCENARIO).hexdigest()}
    return {
        "chaoslib-version": "1.45.1",
        "experiment": {"title": "chaosml: spot"},
        "status": "completed",
        "deviated": False,
        "steady_states": {"before": None, "after": {"steady_state_met": True}},
        "run": [{**ENTRY, "output": output}],
        "rollbacks": [{"status": "succeeded"}],
    }


def judged(document: object, folder: pathlib.Path) -> judging.Concluded:
    path = folder / "journal.json"
    path.write_text(json.dumps(document))
    return judging.judge(journal.read(path))


def causes(concluded: judging.Concluded) -> list[str]:
    return [doubt.cause for doubt in concluded.doubts]


def test_the_run_that_a_journal_names_decides(whole: dict, tmp_path: pathlib.Path) -> None:
    concluded = judged(whole, tmp_path)
    assert (concluded.status, causes(concluded)) == (Status.PASS, [])
    assert exit_code(concluded) == 0


def test_a_failed_run_fails_whatever_the_journal_says(
    whole: dict, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = judgements.failed()
    monkeypatch.setattr("chaosml.runner.rejudge", lambda path: RunResult(made, path))
    assert judged(whole, tmp_path).status is Status.FAIL
    whole["status"] = "interrupted"
    assert judged(whole, tmp_path).status is Status.FAIL


def change(document: dict, **changes: object) -> dict:
    changed = copy.deepcopy(document)
    for path, value in changes.items():
        *way, last = path.split("__")
        place = changed
        for name in way:
            place = place[int(name) if name.isdecimal() else name]
        if value is None:
            del place[last]
        else:
            place[last] = value
    return changed


GATE = {"before": {"steady_state_met": False}}


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"status": "failed"}, "experiment-not-completed"),
        ({"status": "interrupted"}, "experiment-not-completed"),
        ({"status": "aborted"}, "experiment-not-completed"),
        ({"status": None}, "experiment-not-completed"),
        ({"run": [], "steady_states": GATE}, "gate-not-met"),
        ({"run": []}, "nothing-run"),
        ({"run": [7, {"activity": []}, {"activity": {"provider": []}}]}, "nothing-run"),
        ({"run__0__status": "failed"}, "action-failed"),
        ({"run__0__status": None}, "action-failed"),
        ({"run__0__output": None}, "no-run-named"),
        ({"run__0__output": ["nonsense"]}, "no-run-named"),
        ({"run__0__output__run": 7}, "no-run-named"),
        ({"run__0__output__scenario_sha256": "0" * 64}, "another-run"),
        ({"experiment__dry": "activities"}, "dry"),
        ({"rollbacks": [{"status": "failed"}]}, "rollback-failed"),
        ({"rollbacks": [7]}, "rollback-failed"),
    ],
)
def test_a_journal_that_is_not_in_order_proves_nothing(
    whole: dict, tmp_path: pathlib.Path, changes: dict, cause: str
) -> None:
    concluded = judged(change(whole, **changes), tmp_path)
    assert concluded.status is Status.UNKNOWN
    assert cause in causes(concluded)
    assert exit_code(concluded) == 3


def test_one_of_two_runs_that_is_not_there_leaves_a_doubt(
    whole: dict, tmp_path: pathlib.Path
) -> None:
    whole["run"].append({**ENTRY, "status": "failed", "exception": ["", "it raised"]})
    concluded = judged(whole, tmp_path)
    assert (len(concluded.results), causes(concluded)) == (1, ["action-failed"])
    assert "it raised" in judging.text_of(concluded)


def test_the_document_for_programs_holds_doubts_and_verdicts(
    whole: dict, tmp_path: pathlib.Path
) -> None:
    document = json.loads(judging.json_of(judged(change(whole, status="failed"), tmp_path)))
    assert document["status"] == "UNKNOWN"
    assert document["doubts"][0]["cause"] == "experiment-not-completed"
    assert document["runs"][0]["verdict"]["status"] == "PASS"


def test_hostile_words_are_shown_harmlessly(whole: dict, tmp_path: pathlib.Path) -> None:
    whole["experiment"]["title"] = "\x1b[2J" + "x" * 1000
    shown = judging.text_of(judged(whole, tmp_path))
    assert "\x1b" not in shown
    assert len(shown) < 500


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no JSON document"),
        (b'{"experiment": {"tit', "no JSON document"),
        (b"[" * 100_000, "no JSON document"),
        (b"\xff\xfe", "no JSON document"),
        (b"[]", "is no journal"),
        (b"{}", "is no journal"),
        (b'{"experiment": [], "run": []}', "is no journal"),
        (b'{"experiment": {}, "run": {}}', "is no journal"),
    ],
)
def test_what_is_no_journal_is_refused(tmp_path: pathlib.Path, content: bytes, why: str) -> None:
    path = tmp_path / "journal.json"
    path.write_bytes(content)
    with pytest.raises(HistoryError, match=why):
        journal.read(path)


def test_a_journal_that_is_too_large_is_refused(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "_BYTES_MAX", 10)
    path = tmp_path / "journal.json"
    path.write_bytes(b" " * 11)
    with pytest.raises(HistoryError, match="larger than"):
        journal.read(path)


def test_a_journal_that_is_not_there_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(HistoryError, match=r"none\.json: cannot be read"):
        journal.read(tmp_path / "none.json")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.sampled_from(["status", "steady_states", "run", "rollbacks", "experiment"]), JSON)
def test_no_journal_breaks_the_reader_and_none_without_a_run_passes(
    whole: dict, tmp_path: pathlib.Path, key: str, value: object
) -> None:
    try:
        concluded = judged({**whole, key: value}, tmp_path)
    except HistoryError:
        return
    if key in ("status", "run"):
        assert concluded.status is Status.UNKNOWN
