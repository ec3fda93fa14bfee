"""What became worse is named; what moved by chance is not."""

import itertools

import judgements
import pytest
import runs
from hypothesis import given
from hypothesis import strategies as st

from chaosml.scorecard.card import card
from chaosml.scorecard.comparison import compare, compare_all
from chaosml.scorecard.significance import larger
from chaosml.verdict import Coverage, Status


def changes(before, after):
    return [
        (one.kind, one.name, one.subject) for one in compare(card(before, "a"), card(after, "b"))
    ]


def says(before, after):
    return [one.says for one in compare(card(before, "a"), card(after, "b"))]


def mttr(*values, **parts):
    measures = [{"mttr_s": value, "reschedule_s": value / 2, "detect_s": 0.1} for value in values]
    return runs.with_measures(runs.perfect(trials=len(values)), measures)


def test_a_run_compared_with_itself_shows_nothing():
    for judgement in (runs.perfect(), judgements.failed(), judgements.hostile()):
        assert changes(judgement, judgement) == []


def test_an_expectation_that_held_and_fails_is_a_regression_with_its_cause():
    broken = runs.without(
        runs.perfect(), "resume", "trial/2", status=Status.FAIL, cause="diverged-trajectory"
    )
    assert changes(runs.perfect(), broken) == [("regression", "expectation-broken", "resume")]
    assert says(runs.perfect(), broken) == ["held and fails now in 1 of 6: diverged-trajectory"]
    assert changes(broken, runs.perfect()) == [
        ("improvement", "expectation-held", "resume"),
        ("improvement", "defect-gone", "diverged-trajectory"),
    ]


def test_a_proof_that_is_lost_is_a_doubt_and_no_regression():
    open_ = runs.without(runs.perfect(), "resume", "trial/2", status=Status.UNKNOWN)
    assert changes(runs.perfect(), open_) == [("doubt", "proof-lost", "resume")]
    gone = runs.renamed(
        runs.perfect(),
        verdicts=tuple(one for one in runs.perfect().verdicts if one.expectation != "lineage"),
    )
    assert changes(runs.perfect(), gone) == [("doubt", "expectation-gone", "lineage")]


def test_a_failure_that_turns_unknown_is_no_improvement():
    failed = runs.without(runs.perfect(), "resume", "trial/2", status=Status.FAIL)
    open_ = runs.without(runs.perfect(), "resume", "trial/2", status=Status.UNKNOWN)
    assert changes(failed, open_) == [("doubt", "failure-undecided", "resume")]


def test_a_second_defect_of_an_expectation_that_failed_already_is_named():
    once = runs.without(runs.perfect(), "resume", "trial/1", status=Status.FAIL, cause="no-rng")
    twice = runs.without(once, "resume", "trial/2", status=Status.FAIL, cause="stale-restore")
    assert changes(once, twice) == [("regression", "defect-added", "stale-restore")]


def test_corruption_that_is_certainly_more_frequent_is_a_regression():
    def corrupt(count):
        made = runs.perfect(trials=20)
        for number in range(1, count + 1):
            made = runs.without(made, "corruption", f"trial/{number}", status=Status.FAIL)
        return made

    assert changes(corrupt(1), corrupt(12)) == [("regression", "more-corrupt", "corruption")]
    assert changes(corrupt(1), corrupt(3)) == []
    assert changes(corrupt(12), corrupt(1)) == []


def test_a_recovery_that_takes_longer_by_more_than_chance_is_a_regression_with_its_part():
    before, after = mttr(10, 11, 10.5, 10.2, 10.8), mttr(30, 31, 29, 30.5, 30.2)
    assert changes(before, after) == [("regression", "figure-worse", "mttr_s")]
    assert says(before, after) == [
        "went from 10 s to 30 s (medians of 5 and 5 trials), most of it in reschedule (+9.8 s)"
    ]
    assert changes(after, before) == [("improvement", "figure-better", "mttr_s")]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((10, 11, 10.5), (30, 31, 29)),
        ((10, 30, 12, 28, 11), (11, 31, 13, 29, 30)),
        ((10.0, 10.1, 10.2, 10.3, 10.4), (10.5, 10.6, 10.7, 10.8, 10.9)),
        ((0.1, 0.1, 0.1, 0.1, 0.1), (0.5, 0.5, 0.5, 0.5, 0.5)),
    ],
    ids=["too few to know", "within the spread", "too little to matter", "below a second"],
)
def test_figures_that_moved_by_chance_or_too_little_are_no_regression(before, after):
    assert changes(mttr(*before), mttr(*after)) == []


def test_a_case_that_is_not_shown_any_more_is_a_doubt_with_the_reason():
    def coverage(*shown):
        return Coverage(
            cases=("a", "b"),
            exercised=dict.fromkeys(shown, 1),
            missing={} if "b" in shown else {"b": "trial/2 was invalid"},
            places=(),
        )

    before, after = runs.perfect(coverage=coverage("a", "b")), runs.perfect(coverage=coverage("a"))
    assert changes(before, after) == [("doubt", "case-lost", "b")]
    assert says(before, after) == ["was shown and is not any more: trial/2 was invalid"]


def test_of_two_runs_of_a_row_the_later_is_compared_with_the_one_before(tmp_path):
    broken = runs.without(runs.perfect(), "resume", "trial/2", status=Status.FAIL)
    runs.write(tmp_path, broken, runs.FRESH)
    runs.write(tmp_path, runs.perfect(), runs.OLDER)
    runs.write(tmp_path, broken, runs.OLD)
    (row,) = runs.scorecard_of(tmp_path).rows
    assert [one.run for one in (row.latest, *row.earlier)] == [runs.FRESH, runs.OLDER, runs.OLD]
    assert [one.name for one in row.changes] == ["expectation-broken"]


def test_rows_that_only_one_side_has_are_named(tmp_path):
    runs.write(tmp_path / "a", runs.perfect())
    runs.write(tmp_path / "b", runs.perfect(pipeline="other.yaml"))
    found = compare_all(runs.scorecard_of(tmp_path / "a"), runs.scorecard_of(tmp_path / "b"))
    assert {key[1]: [one.name for one in value] for key, value in found.items()} == {
        "resilient.yaml": ["run-missing"],
        "other.yaml": ["run-added"],
    }


figures = st.lists(st.integers(0, 5).map(float), min_size=1, max_size=5)


@given(figures, figures)
def test_the_chance_is_that_of_every_way_to_deal_the_labels(before, after):
    values = [*before, *after]

    def rank(value):
        return sum(one < value for one in values) + sum(one == value for one in values) / 2

    observed = sum(map(rank, after))
    dealt = [sum(map(rank, chosen)) for chosen in itertools.combinations(values, len(after))]
    expected = sum(total >= observed - 1e-9 for total in dealt) / len(dealt)
    assert larger(before, after) == pytest.approx(expected)


def test_nothing_is_larger_than_what_is_not_there():
    assert larger([], [1.0]) == larger([1.0], []) == 1.0
    assert larger([1.0] * 500, [1.0] * 500) == 1.0
