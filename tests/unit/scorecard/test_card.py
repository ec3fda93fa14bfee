"""What a scorecard shows of one run."""

import judgements
import pytest
import runs

from chaosml.scorecard.card import card, started
from chaosml.scorecard.model import Count
from chaosml.verdict import Status


def test_a_card_counts_valid_trials_and_bounds_the_rate_of_corruption():
    made = card(runs.perfect(), "reports/spot/1")
    assert (made.trials, made.invalid) == (6, 0)
    assert made.resume == made.lineage == made.succeeded == Count(6, 6)
    assert (made.corruption.hits, made.corruption.of) == (0, 6)
    assert made.corruption.bound == pytest.approx(1 - 0.05 ** (1 / 6))


def test_invalid_trials_count_nowhere_but_as_invalid():
    made = card(judgements.failed(), "reports/spot/1")
    assert (made.trials, made.invalid) == (4, 1)
    assert made.succeeded == Count(2, 3)
    assert made.corruption.hits == 2
    assert made.corruption.of == 3
    assert made.figures["waste"].values == (0.31, 0.52, 0.004)
    assert made.figures["mttr_s"].largest == 71.2


def test_what_was_not_measured_or_decided_is_absent_and_not_zero():
    judgement = runs.with_measures(runs.perfect(), [{}] * 6)
    kept = tuple(one for one in judgement.verdicts if one.expectation == "outcome")
    made = card(runs.renamed(judgement, verdicts=kept), "reports/spot/1")
    assert made.figures == {}
    assert made.resume == Count(0, 0)
    assert (made.corruption.of, made.corruption.bound) == (0, 1.0)


def test_expectations_are_counted_by_trials_and_their_causes_by_frequency():
    by_name = {one.name: one for one in card(judgements.failed(), "x").expectations}
    corruption = by_name["corruption"]
    assert (corruption.held, corruption.failed, corruption.unknown) == (1, 2, 0)
    assert corruption.causes == ("half-trained-model-registered",)
    assert by_name["effect"].status is Status.UNKNOWN


@pytest.mark.parametrize("run", ["network", "", "20261324T000000Z", "20261124T221500Z-x"])
def test_a_name_that_is_no_time_gives_none(run):
    assert started(run) is None


def test_a_second_run_of_the_same_second_began_then_too():
    assert started("20261124T221500Z-2") == started("20261124T221500Z")
