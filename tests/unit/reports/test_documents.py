"""`verdict.json`, `junit.xml`, `summary.md`: complete, repeatable, safe against hostile text."""

import re
import xml.etree.ElementTree as ElementTree

import judgements
import msgspec
import pytest

from chaosml.errors import HistoryError
from chaosml.reports import files, junit, summary_md, verdict_json
from chaosml.store.directory import RunDirectory
from chaosml.verdict import Judgement, Status


def cases(judged):
    suite = ElementTree.fromstring(junit.render(judged)).find("testsuite")
    return {case.get("name"): case for case in suite.findall("testcase")}


def test_a_judgement_is_read_back_as_it_was_written():
    judged = judgements.failed()
    assert msgspec.json.decode(verdict_json.render(judged), type=Judgement) == judged


def test_equal_judgements_give_equal_bytes_whatever_the_order_of_their_figures():
    measures = {"mttr_s": 1.0, "waste": 0.2}
    one = judgements.judgement(Status.PASS, [judgements.trial(1, "drained", measures=measures)], [])
    other = judgements.judgement(
        Status.PASS,
        [judgements.trial(1, "drained", measures=dict(reversed(measures.items())))],
        [],
    )
    assert verdict_json.render(one) == verdict_json.render(other)


def test_every_verdict_is_a_test_case_and_none_is_skipped():
    judged = judgements.failed()
    found = cases(judged)
    assert len(found) == len(judged.verdicts) + 1
    assert not [case for case in found.values() if case.find("skipped") is not None]


def test_fail_is_a_failure_with_cause_evidence_and_advice():
    failure = cases(judgements.failed())["corruption [trial/3]"].find("failure")
    assert failure.get("type") == "half-trained-model-registered"
    assert "holds step 84 of 240" in failure.get("message")
    assert "evidence: trials/3/history.jsonl:41  PutObject" in failure.text
    assert "advice: exit 143 after a signal" in failure.text


def test_unknown_and_invalid_are_errors():
    found = cases(judgements.failed())
    assert found["effect [trial/4]"].find("error").get("type") == "target-finished"
    assert "KeyError" in found["lineage [trial/1]"].find("error").text


def test_the_counts_are_those_of_the_cases():
    suite = ElementTree.fromstring(junit.render(judgements.failed())).find("testsuite")
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "13",
        "failures": "5",
        "errors": "2",
        "skipped": "0",
    }


@pytest.mark.parametrize(
    ("judged", "kind"),
    [
        (judgements.passed(), None),
        (judgements.failed(), "failure"),
        (judgements.judgement(Status.UNKNOWN, [], []), "error"),
        (judgements.passed(interrupted=True), "error"),
    ],
)
def test_the_whole_run_is_green_only_where_the_command_ends_with_0(judged, kind):
    whole = cases(judged)["verdict [whole run]"]
    assert [result.tag for result in whole] == ([] if kind is None else [kind])


def test_hostile_text_leaves_the_xml_well_formed_and_readable():
    found = cases(judgements.hostile())
    (name,) = {case for case in found if case.endswith("[trial/1]")}
    text = found[name].find("failure").text
    assert "<script>alert(1)</script>" in text
    assert "\\x1b[31mred\\x07 \\u202egnp" in text


def test_a_summary_names_every_failed_expectation_with_cause_evidence_and_advice():
    text = summary_md.render(judgements.failed()).decode()
    assert "## FAIL: `corruption`, `half-trained-model-registered`" in text
    assert "- `trials/3/history.jsonl:41` PutObject models/digits/model.npz" in text
    assert "Advice: exit 143 after a signal" in text
    assert "| `noticed/seen` | 0 | trial/2 showed noticed/gone instead |" in text
    assert "chaosml run scenarios/spot.yaml --seed 7" in text


def outside_of_code(text):
    """Return Markdown without fenced blocks and code spans, in which nothing acts."""
    text = re.sub(r"^(`{3,})text\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"(?<![\\`])(`+)(?!`).+?(?<!`)\1(?!`)", "", text)


def test_hostile_text_neither_acts_nor_breaks_the_summary():
    text = summary_md.render(judgements.hostile()).decode()
    acting = outside_of_code(text)
    for markup in ("<script>", "[x](", "*b*", "&amp;"):
        assert not re.search(r"(?<!\\)" + re.escape(markup), acting), markup
    assert "\x1b" not in text
    assert "\u202e" not in text
    headings = [line for line in acting.splitlines() if line.startswith("#")]
    assert all("head" not in heading.split("\\#")[0] for heading in headings)


def test_hostile_text_does_not_add_a_cell_to_a_table():
    text = summary_md.render(judgements.hostile()).decode()
    tables = re.findall(r"(?:^\|.*\|\n)+", text, flags=re.MULTILINE)
    assert len(tables) == 4
    for table in tables:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(widths) == 1, table


def test_a_traceback_that_holds_a_fence_does_not_end_its_block():
    text = summary_md.render(judgements.hostile()).decode()
    (fence,) = set(re.findall(r"^(`{3,})text$", text, flags=re.MULTILINE)) - {"```"}
    assert fence == "````"


def test_all_reports_are_written_into_the_run_directory(tmp_path):
    directory = RunDirectory(tmp_path)
    files.write_all(directory, judgements.failed())
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "junit.xml",
        "summary.md",
        "verdict.json",
    ]
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    files.write_all(directory, judgements.failed())
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first


def test_reports_that_cannot_be_written_are_an_error_with_the_path(tmp_path):
    with pytest.raises(HistoryError, match=r"cannot write .*gone/verdict\.json: No such file"):
        files.write_all(RunDirectory(tmp_path / "gone"), judgements.passed())
