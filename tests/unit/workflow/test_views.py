"""The views that a way to die can have, as the carried survey shows them."""

import importlib.resources
import subprocess
import sys

import msgspec
import pytest

from chaosml.workflow import survey
from chaosml.workflow.survey import Cell, Measured, Outcome, Survey, Timing, published
from chaosml.workflow.views import Share, View, WayToDie, legal_views, shares

OLD, NEW = "v3.7.18", "v4.0.5"
EARLY = Timing.EARLY


def cell(counts, *, argo=NEW, finalizer=False, way=WayToDie.DELETE, **fields):
    return Measured(
        cell=Cell(argo=argo, finalizer=finalizer, way=way, **fields),
        trials=sum(counts.values()),
        outcomes=tuple(Outcome(view=view, count=count) for view, count in counts.items()),
    )


@pytest.fixture
def measured(monkeypatch):
    cells = [
        cell({View.WAIT_FAILED: 4, View.SEEN: 1}, finalizer=True, outputs=True),
        cell({View.GONE: 9, None: 1}),
        cell({View.GONE: 5}, argo=OLD),
        cell({View.RESTARTED: 5}, timing=EARLY),
        cell({View.SEEN: 3}, way=WayToDie.SIGNAL),
    ]
    monkeypatch.setattr(survey, "published", lambda: cells)


@pytest.mark.usefixtures("measured")
def test_what_was_seen_once_is_legal_in_the_order_of_dealing():
    assert legal_views(WayToDie.DELETE, has_outputs=True) == (
        View.GONE,
        View.SEEN,
        View.WAIT_FAILED,
    )


@pytest.mark.usefixtures("measured")
def test_without_outputs_there_is_nothing_to_look_for_too_early():
    assert legal_views(WayToDie.DELETE, has_outputs=False) == (View.GONE, View.SEEN)


@pytest.mark.usefixtures("measured")
def test_what_only_an_early_strike_showed_is_legal_where_early_strikes_are_asked_for():
    early = legal_views(WayToDie.DELETE, has_outputs=False, settled=False)
    assert early == (View.GONE, View.SEEN, View.RESTARTED)


@pytest.mark.usefixtures("measured")
def test_a_version_and_its_finalizer_narrow_the_views():
    def narrowed(**only):
        return legal_views(WayToDie.DELETE, has_outputs=True, **only)

    assert narrowed(version=OLD) == (View.GONE,)
    assert narrowed(finalizer=False) == (View.GONE,)
    assert narrowed(finalizer=True) == (View.SEEN, View.WAIT_FAILED)
    assert narrowed(version="v9.9.9") == narrowed()


@pytest.mark.usefixtures("measured")
def test_shares_count_trials_and_cells_and_outcomes_without_a_view_are_none():
    assert shares(WayToDie.DELETE, finalizer=False) == (Share(View.GONE, 14, 15, 2),)


@pytest.mark.usefixtures("measured")
def test_a_process_that_ends_by_itself_is_seen_as_one_that_was_signalled():
    assert shares(WayToDie.SELF) == shares(WayToDie.SIGNAL) == (Share(View.SEEN, 3, 3, 1),)


def test_the_carried_survey_covers_every_way_under_two_versions_and_both_settings():
    for way in set(WayToDie) - {WayToDie.SELF}:
        of_way = [one.cell for one in published() if one.cell.way is way]
        assert {(one.argo, one.finalizer) for one in of_way} == {
            (argo, finalizer) for argo in (OLD, NEW) for finalizer in (False, True)
        }


def test_the_carried_survey_counts_each_trial_once():
    for one in published():
        assert sum(outcome.count for outcome in one.outcomes) == one.trials > 0


def test_every_way_to_die_has_a_view_with_and_without_outputs():
    for way in WayToDie:
        without = legal_views(way, has_outputs=False)
        assert without
        assert set(without) <= set(legal_views(way, has_outputs=True))


def test_a_signal_mostly_surfaces_with_an_exit_code():
    (seen, *others) = sorted(shares(WayToDie.SIGNAL), key=lambda share: -share.count)
    assert seen.view is View.SEEN
    assert seen.count > 10 * sum(share.count for share in others)


def test_the_carried_survey_is_a_summary_small_enough_to_carry():
    file = importlib.resources.files("chaosml.workflow").joinpath("survey.json")
    document = msgspec.json.decode(file.read_bytes(), type=Survey)
    assert document.trials == ()
    assert len(file.read_bytes()) < 200_000


def test_importing_the_views_reads_no_survey():
    program = "import sys, chaosml.workflow.views; print('chaosml.workflow.survey' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert shown.stdout == b"False\n"
