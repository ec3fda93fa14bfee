"""The book of a survey: what is missing, what is kept, how it goes on; and its tables."""

import pytest

from chaosml.cluster.survey import life, record, tables
from chaosml.cluster.survey.book import Book, SurveyOptions
from chaosml.cluster.survey.cells import parse_only, select
from chaosml.errors import UsageError
from chaosml.workflow.survey import Outcome, Seen, Spread, Trial
from chaosml.workflow.views import View

ONLY = {
    "way": frozenset({"delete", "signal"}),
    "program": frozenset({"default"}),
    "timing": frozenset({"settled"}),
    "finalizer": frozenset({"off"}),
}


def options(**fields):
    return SurveyOptions(argo_versions=("v4.0.5",), only=ONLY, trials=2, **fields)


def trial(cell, view=View.GONE, **fields):
    return Trial(cell=str(cell), view=view, load=1.5, **fields)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "survey.json"


def test_a_new_book_misses_every_trial_of_every_wanted_cell():
    book = Book(options(), None)
    assert [cell.signal or cell.way for cell in book.cells] == ["delete", "SIGKILL", "SIGTERM"]
    assert set(book.missing().values()) == {2}


def test_each_trial_is_in_the_file_as_it_ends(path):
    book = Book(options(out=path), None)
    book.found("v1.34.4")
    for made in (1, 2):
        book.add(trial(book.cells[0], decided_s=10.0))
        assert len(record.read(path).trials) == made
    assert list(path.parent.iterdir()) == [path]
    assert book.cells[0] not in book.missing()


def test_a_resumed_survey_makes_what_was_not_made_and_forgets_nothing(path):
    first = Book(options(out=path), None)
    first.found("v1.34.4")
    for cell in (first.cells[0], first.cells[0], first.cells[1]):
        first.add(trial(cell))
    first.miss(first.cells[1])
    first.save()
    began = record.read(path).began

    again = Book(options(resume=path), record.read(path))
    assert again.missing() == {again.cells[1]: 1, again.cells[2]: 2}
    again.add(trial(again.cells[1], view=View.SEEN, exit_code=137))
    kept = record.read(path)
    assert [len(kept.trials), kept.kubernetes, kept.began] == [4, "v1.34.4", began]
    assert [(one.trials, one.missed) for one in kept.cells] == [(2, 0), (2, 1)]


def test_cells_that_are_not_wanted_this_time_stay_in_the_file(path):
    first = Book(options(out=path), None)
    first.add(trial(first.cells[0]))
    narrow = SurveyOptions(
        argo_versions=("v4.0.5",), only=parse_only(["signal=SIGKILL"]), trials=1, resume=path
    )
    again = Book(narrow, record.read(path))
    again.add(trial(again.cells[0], view=View.SEEN, exit_code=137))
    assert [str(one.cell) for one in record.read(path).cells] == [
        str(first.cells[0]),
        str(again.cells[0]),
    ]


def test_a_survey_of_another_kubernetes_is_not_continued(path):
    first = Book(options(out=path), None)
    first.found("v1.34.4")
    first.save()
    again = Book(options(resume=path), record.read(path))
    again.found("v1.34.4")
    with pytest.raises(UsageError, match=r"v1\.34\.4, and the cluster has v1\.35\.0"):
        again.found("v1.35.0")


def test_strikes_that_do_not_happen_are_repeated_with_a_limit_and_counted():
    book = Book(options(), None)
    cell = book.cells[0]
    assert [book.miss(cell) for _ in range(3)] == [True, True, False]
    assert not book.tries(cell)
    assert book.survey().cells[0].missed == 3


def test_a_file_that_has_everything_needs_no_cluster(path):
    book = Book(options(out=path), None)
    for cell in book.cells:
        book.add(trial(cell))
        book.add(trial(cell))
    told = []
    assert life.survey(options(resume=path), told.append) == record.read(path)
    assert told == []


def test_an_existing_file_is_not_begun_anew(path):
    path.write_text("{}")
    with pytest.raises(UsageError, match="go on with --resume"):
        life.survey(options(out=path), lambda _: None)
    assert path.read_text() == "{}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "cannot be read: No such file"),
        ("views", "is not the file of a survey"),
        ("{}", "is not the file of a survey"),
    ],
)
def test_a_file_that_cannot_be_resumed_says_why(path, text, told):
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError, match=told):
        record.read(path)


def test_a_summary_and_another_schema_cannot_be_resumed(path):
    book = Book(options(), None)
    book.add(trial(book.cells[0]))
    whole = record.encode(book.survey())
    path.write_bytes(record.encode(record.published_form(book.survey())))
    with pytest.raises(UsageError, match="is a summary"):
        record.read(path)
    path.write_bytes(whole.replace(b'{"chaosml"', b'{"schema":99,"chaosml"', 1))
    with pytest.raises(UsageError, match="has schema 99"):
        record.read(path)


def test_the_file_has_a_line_for_each_cell_and_each_trial(path):
    book = Book(options(), None)
    for cell in book.cells:
        book.add(trial(cell, seen=(Seen(1.0, 0, "Error", "odd"),)))
    written = record.encode(book.survey())
    assert sum(line.startswith(b'{"cell"') for line in written.splitlines()) == 6
    path.write_bytes(written)
    assert record.read(path).trials[0].seen == (Seen(1.0, 0, "Error", "odd"),)


def surveyed():
    book = Book(options(), None)
    book.found("v1.34.4")
    deleted, killed, _ = book.cells
    for number in range(8):
        book.add(trial(deleted, decided_s=10.0 + number, running_s=12.0 + number))
    book.add(trial(deleted, View.SEEN, exit_code=0, decided_s=20.0))
    book.add(trial(deleted, None))
    book.add(trial(killed, View.SEEN, exit_code=137, decided_s=11.0, running_s=14.0))
    book.miss(killed)
    return book.survey()


def test_a_cell_counts_its_outcomes_and_spreads_its_times():
    deleted = surveyed().cells[0]
    assert deleted.outcomes == (
        Outcome(view=View.GONE, count=8),
        Outcome(view=View.SEEN, exit_code=0, count=1),
        Outcome(view=None, count=1),
    )
    assert deleted.decided == Spread(p50=14.0, p95=18.8, min=10.0, max=20.0)
    assert deleted.running == Spread(p50=15.5, p95=18.6, min=12.0, max=19.0)


def test_the_table_of_the_terminal_has_a_row_for_each_cell():
    head, deleted, killed, _, total, *_ = tables.text(surveyed()).split("\n")
    assert head.split()[:4] == ["way", "program", "outputs", "strike"]
    assert "gone 8/10, succeeded 1/10, other 1/10" in deleted
    assert "14 (19)" in deleted
    assert "seen 137 1/1, (1 not struck)" in killed
    assert total == "11 trials in 2 cells; s: p50 (p95)"
    assert head.index("views") == deleted.index("gone 8/10")


def test_the_page_has_the_counts_of_each_way_and_each_cell():
    page = tables.page(surveyed())
    assert "- 11 trials in 2 cells, 1 to 10 a cell" in page
    assert "| `delete` | 8 | 1 | - | - | 1 | 10 |" in page
    assert "| `SIGKILL` | default | none | settled | seen 137 1/1, (1 not struck) |" in page
    assert "| `SIGKILL` | default | none | settled | 11 (11) → 14 (14) |" in page


def test_nothing_measured_is_said_and_not_a_table():
    assert tables.text(Book(options(), None).survey()) == "nothing is measured\n"


def test_the_selection_of_a_book_is_that_of_its_filter():
    every = SurveyOptions(argo_versions=("v4.0.5",))
    assert Book(options(), None).cells == select(Book(every, None).cells, ONLY)
