"""`chaosml plan`: what would be done, where, and what it would leave unknown."""

import io

import occasions
from rich.console import Console

from chaosml.plan.model import Case, Place
from chaosml.reports import plan_text


def text(plan, width=100):
    console = Console(file=io.StringIO(), width=width, highlight=False, markup=False)
    return plan_text.render(occasions.SCENARIO, "resilient.yaml", plan, console)


def test_a_plan_names_controls_trials_places_and_views():
    assert text(occasions.plan(trials=2)).splitlines() == [
        "spot: resilient.yaml",
        "seed 7: 1 control (up to 3 if executions differ), then 2 trials over 1 case; each ends "
        "after 2 min",
        "at the latest",
        "",
        "fault    inject        target            with",
        "drained  spot.reclaim  train, attempt 0  notice=120s false-alarm=false",
        "",
        "trial    fault    strikes at  seen as",
        "trial/1  drained  step 61     gone",
        "trial/2  drained  step 61     gone",
    ]


def test_cases_without_a_trial_are_named_with_the_way_to_show_them():
    shown = text(occasions.plan(undealt=[Case(fault="drained", view="seen")]))
    assert "not shown by any trial: drained/seen; --trials 2 shows every case" in shown


def test_a_place_that_is_not_armed_is_called_approximate_and_no_view_is_a_dash():
    after = Place(kind="after", after_s=2.5)
    shown = text(occasions.plan(injections=lambda number: occasions.injection(number, after, None)))
    assert "2.5s after start (approximate)" in shown
    assert "gone" not in shown
