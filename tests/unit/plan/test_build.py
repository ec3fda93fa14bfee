"""Plans: seeded, dealt round-robin, honest about what they leave out."""

import msgspec
import pytest

from chaosml.plan.build import build
from chaosml.scenario.model import Scenario

VIEWS = {"reclaim": ("gone", "seen"), "alarm": (None,)}
OPTIONS = {"reclaim": {"notice": 120.0}, "alarm": {}}


def scenario(**changes: object) -> Scenario:
    return Scenario.model_validate(
        {
            "apiVersion": "chaosml.dev/v1",
            "kind": "Scenario",
            "metadata": {"name": "s"},
            "pipeline": {"workflow": "w.yaml", "isolate": {"bucket": "bucket"}},
            "faults": [
                {
                    "name": "reclaim",
                    "inject": "spot.reclaim",
                    "target": {"task": "train"},
                    "when": {"step": {"between": [60, 180]}},
                },
                {
                    "name": "alarm",
                    "inject": "spot.reclaim",
                    "target": {"task": "train"},
                    "when": {"object": {"before": "PutObject", "key": "^models/"}},
                },
            ],
            **changes,
        }
    )


def plan(**changes: object):
    return build(scenario(**changes), views=VIEWS, options=OPTIONS)


def test_the_same_seed_gives_the_same_bytes():
    assert msgspec.json.encode(plan(seed=7)) == msgspec.json.encode(plan(seed=7))


def test_another_seed_strikes_elsewhere():
    steps = {plan(seed=seed).trials[0].injections[0].place.step for seed in range(20)}
    assert len(steps) > 5
    assert all(60 <= step <= 180 for step in steps)


def test_without_a_count_every_case_gets_one_trial():
    found = plan()
    assert [trial.case.name for trial in found.trials] == ["reclaim/gone", "reclaim/seen", "alarm"]
    assert found.undealt == ()


def test_more_trials_than_cases_go_round():
    names = [trial.case.name for trial in plan(trials=5).trials]
    assert names == ["reclaim/gone", "reclaim/seen", "alarm", "reclaim/gone", "reclaim/seen"]


def test_too_few_trials_leave_named_cases_undealt():
    found = plan(trials=1, seed=3)
    assert len(found.undealt) == 2
    dealt = {trial.case.name for trial in found.trials}
    undealt = {case.name for case in found.undealt}
    assert dealt | undealt == {"reclaim/gone", "reclaim/seen", "alarm"}
    assert not dealt & undealt


def test_injections_have_names_of_their_own():
    ids = [injection.injection for trial in plan(trials=6).trials for injection in trial.injections]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    ("when", "words", "exact"),
    [
        ({"step": 61}, "step 61", True),
        ({"event": {"event": "point", "name": "saved"}}, "point saved", True),
        (
            {"event": {"event": "checkpoint", "phase": "begin", "step": 40}},
            "checkpoint begin of step 40",
            True,
        ),
        (
            {"object": {"after": "PutObject", "key": "^m", "nth": 2}},
            "after PutObject ^m (time 2)",
            True,
        ),
        ({"after": "1500ms"}, "1.5s after start", False),
        ({"pod": "running"}, "pod running", False),
    ],
)
def test_a_place_is_said_in_the_pipelines_own_terms(when: dict, words: str, exact: bool):
    fault = {
        "name": "reclaim",
        "inject": "spot.reclaim",
        "target": {"task": "train"},
        "when": when,
    }
    place = plan(faults=[fault]).trials[0].injections[0].place
    assert (place.words, place.exact) == (words, exact)


def test_a_settled_trigger_may_hold_longer():
    fault = scenario().faults[0].model_dump(by_alias=True)
    fault["when"] = {"step": 61, "settled": True}
    assert plan(faults=[fault]).trials[0].injections[0].hold_s == 45.0


def test_strikes_at_the_replacement_are_injections_of_the_same_trial():
    faults = scenario().model_dump(by_alias=True, exclude_unset=True)["faults"]
    faults[0]["again"] = [{"event": {"event": "restore"}}, {"step": 190, "settled": True}]
    trial = plan(faults=faults).trials[0]
    assert [(one.injection, one.follows) for one in trial.injections] == [
        ("t1.reclaim", None),
        ("t1.reclaim.2", "t1.reclaim"),
        ("t1.reclaim.3", "t1.reclaim.2"),
    ]
    assert [one.place.words for one in trial.injections][1:] == ["restore", "step 190"]
    assert {one.view for one in trial.injections} == {"gone"}
    assert [one.hold_s for one in trial.injections] == [5.0, 5.0, 45.0]
    # The first place is drawn as if there were no second one.
    assert trial.injections[0].place == plan().trials[0].injections[0].place
