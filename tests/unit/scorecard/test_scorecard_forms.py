"""Every form of a scorecard: what it says, and that foreign text cannot act in it."""

import html.parser
import io
import json
import re
import xml.etree.ElementTree as ET

import judgements
import msgspec
import pandas
import pytest
import runs
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from rich.console import Console

from chaosml.scorecard import cells, markdown, openmetrics, tables, text
from chaosml.scorecard.comparison import compare_all
from chaosml.scorecard.reading import read_runs
from chaosml.scorecard.writing import changes_json, changes_markdown, content
from chaosml.verdict import Status

FORMULA = '=HYPERLINK("http://x","y")'


@pytest.fixture
def many(tmp_path):
    """A passing, a failing and a hostile run."""
    runs.write(tmp_path, judgements.passed())
    runs.write(tmp_path, judgements.failed(pipeline="adhoc.yaml"), "20261124T221501Z")
    runs.write(tmp_path, judgements.hostile(), "20261124T221502Z")
    return tmp_path


def form(reports, name):
    return content(name, runs.scorecard_of(reports), read_runs([reports]))


class Elements(html.parser.HTMLParser):
    """Collects tags and attributes of a page."""

    def __init__(self):
        super().__init__()
        self.tags, self.links, self.handlers = set(), [], []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        for name, value in attributes:
            if name in ("href", "src", "action", "data"):
                self.links.append(value)
            if name.startswith("on"):
                self.handlers.append(name)


def test_no_name_or_message_becomes_an_element_of_the_page(many):
    page = form(many, "html").decode()
    elements = Elements()
    elements.feed(page)
    assert not elements.tags & {"script", "img", "iframe", "object", "em"}
    assert elements.handlers == []
    assert {one for one in elements.links if not one.startswith("#")} == {"data:,"}
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    for acting in ("\x1b", "\x07", "\u202e"):
        assert acting not in page


def test_the_page_forbids_itself_whatever_it_does_not_need(many):
    page = form(many, "html").decode()
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in page
    assert "http:" not in page.replace("http://y", "")
    assert "https:" not in page


SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")


def test_in_markdown_foreign_text_stands_in_code_spans_only(many):
    shown = form(many, "markdown").decode()
    assert "<script>" in shown
    assert "\x1b" not in shown
    outside = SPAN.sub("", shown)
    for acting in ("<script>", "[x]", "http://", "*b*", "&amp;"):
        assert acting not in outside


@pytest.mark.parametrize("text", ["@team", "`", "``", "a`b", "`a", "|", "\\|", "", " ", "#1 x/y#2"])
def test_no_text_leaves_its_code_span_or_its_cell(text, tmp_path):
    runs.write(tmp_path, runs.perfect(scenario=text))
    (line,) = [one for one in form(tmp_path, "markdown").decode().splitlines() if "**A**" in one]
    spans = SPAN.findall(line)
    assert len(spans) == 1
    assert len(re.findall(r"(?<!\\)\|", line)) == 13


def test_a_comment_stays_below_what_forges_accept_and_says_what_it_left_out(tmp_path):
    runs.write(tmp_path, judgements.failed())
    made = runs.scorecard_of(tmp_path)
    names = [f"{'very-long-name-' * 12}{number}.yaml" for number in range(400)]
    rows = [
        msgspec.structs.replace(row, latest=msgspec.structs.replace(row.latest, pipeline=name))
        for row in made.rows
        for name in names
    ]
    shown = markdown.render(msgspec.structs.replace(made, rows=tuple(rows)))
    assert 20_000 < len(shown) <= markdown.SIZE_MAX
    assert shown.startswith(markdown.MARKER)
    assert "more rows do not fit here" in shown


def test_the_badge_shows_the_worst_grade_and_is_sound_xml(many):
    badge = ET.fromstring(form(many, "badge"))
    assert badge.get("aria-label") == "resilience: F · 1 of 3 pass"


def test_a_badge_of_what_proves_nothing_or_is_stale_is_no_praise(tmp_path):
    runs.write(tmp_path, runs.perfect(), runs.OLD)
    badge = ET.fromstring(form(tmp_path, "badge"))
    assert badge.get("aria-label") == "resilience: A · 1 of 1 pass · stale"
    assert "#2e7d32" not in form(tmp_path, "badge").decode()
    empty = judgements.judgement(Status.UNKNOWN, [], [], pipeline="b.yaml")
    runs.write(tmp_path, empty)
    badge = ET.fromstring(form(tmp_path, "badge"))
    assert badge.get("aria-label") == "resilience: unproved · 1 of 2 pass · stale"


def test_csv_has_a_line_for_every_execution_with_figures_as_figures(many):
    frame = pandas.read_csv(io.BytesIO(form(many, "csv")))
    assert len(frame) == 4 + 6 + 1
    failed = frame[frame.pipeline == "adhoc.yaml"].set_index("execution")
    assert failed.loc["trial/3", "mttr_s"] == 71.2
    assert failed.loc["trial/4", "valid"] == False  # noqa: E712 - of numpy
    assert pandas.isna(failed.loc["control/1", "waste"])
    assert set(failed.grade) == {"F"}


@pytest.mark.parametrize("text", [FORMULA, "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "\n=1"])
def test_no_spreadsheet_calculates_a_name(text):
    assert tables.safe_cell(text).startswith("'")


def test_a_formula_in_a_run_is_text_in_its_csv_and_itself_in_parquet(tmp_path):
    runs.write(tmp_path, runs.perfect(scenario=FORMULA, replay="-1+1"))
    frame = pandas.read_csv(io.BytesIO(form(tmp_path, "csv")))
    assert set(frame.scenario) == {f"'{FORMULA}"}
    assert set(frame.replay) == {"'-1+1"}
    frame = pandas.read_parquet(io.BytesIO(form(tmp_path, "parquet")))
    assert set(frame.scenario) == {FORMULA}
    assert str(frame.started.dtype).startswith("datetime64")


def samples(metrics):
    families = text_string_to_metric_families(metrics.decode())
    return {
        (one.name, one.labels["scenario"], one.labels.get("statistic")): one.value
        for family in families
        for one in family.samples
    }


def test_openmetrics_are_read_by_the_library_that_reads_them(many):
    found = samples(form(many, "openmetrics"))
    assert found["chaosml_mttr_seconds", "spot", "max"] in (3.07, 71.2)
    assert any("<script>" in name for _, name, _ in found)
    assert form(many, "openmetrics").endswith(b"# EOF\n")


def test_what_was_not_measured_has_no_sample(tmp_path):
    runs.write(tmp_path, runs.with_measures(runs.perfect(), [{}] * 6))
    names = {name for name, _, _ in samples(openmetrics.render(runs.scorecard_of(tmp_path)))}
    assert "chaosml_mttr_seconds" not in names
    assert "chaosml_grade_score" in names


def test_the_document_for_machines_names_its_kind_and_schema(many):
    document = json.loads(form(many, "json"))
    assert (document["kind"], document["schema"]) == ("chaosml.scorecard", 1)
    assert document["rows"][0]["latest"]["corruption"]["confidence"] == 0.95


def screen(width):
    return Console(file=io.StringIO(), width=width, highlight=False, markup=False, emoji=False)


@pytest.mark.parametrize("width", [40, 100, 140])
def test_a_terminal_of_any_width_shows_the_grades_and_nothing_that_acts(many, width):
    shown = text.render(runs.scorecard_of(many), screen(width))
    assert "3 scenarios: 1 pass, 2 fail, 0 unproved" in shown.replace("\n", " ")
    assert max(map(len, shown.splitlines())) <= width
    assert "\x1b" not in shown


def test_the_headline_counts_what_needs_a_look(tmp_path):
    runs.write(tmp_path, runs.perfect(), runs.OLD)
    (tmp_path / "foreign.json").write_text("{}")
    assert cells.headline(runs.scorecard_of(tmp_path)) == (
        "1 scenario: 1 pass, 0 fail, 0 unproved; 1 stale; 1 skipped"
    )


def test_a_comparison_is_shown_in_every_form(tmp_path):
    runs.write(tmp_path / "a", judgements.passed())
    runs.write(tmp_path / "b", judgements.failed())
    found = compare_all(runs.scorecard_of(tmp_path / "a"), runs.scorecard_of(tmp_path / "b"))
    shown = text.render_changes(found, screen(140))
    assert "regression expectation-broken: outcome held and fails now in 1 of" in shown
    assert "- **regression** expectation-broken, `outcome`" in changes_markdown(found)
    document = json.loads(changes_json(found))
    assert document["rows"][0]["changes"][0]["kind"] == "regression"
