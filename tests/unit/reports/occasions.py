"""What a runner tells while a run goes on: a plan, events, ends."""

import pathlib

from chaosml.event import Basis, Event
from chaosml.plan.model import Case, Place, Plan, PlannedInjection, PlannedTrial
from chaosml.scenario.model import Scenario

DIRECTORY = pathlib.Path("reports/spot/20261124T221500Z")

SCENARIO = Scenario.model_validate(
    {
        "apiVersion": "chaosml.dev/v1",
        "kind": "Scenario",
        "metadata": {"name": "spot"},
        "pipeline": {"workflow": "resilient.yaml", "isolate": {"bucket": "bucket"}},
        "faults": [
            {
                "name": "drained",
                "inject": "spot.reclaim",
                "target": {"task": "train"},
                "when": {"step": 61},
                "with": {"notice": "120s", "false-alarm": False},
            }
        ],
        "deadline": "2m",
    }
)


def injection(trial, place=None, view="gone"):
    return PlannedInjection(
        injection=f"t{trial}.drained",
        fault="drained",
        inject="spot.reclaim",
        task="train",
        attempt=0,
        place=place or Place(kind="step", step=61),
        view=view,
    )


def plan(trials=1, undealt=(), injections=injection):
    cases = (Case(fault="drained", view="gone"), *undealt)
    return Plan(
        seed=7,
        controls=1,
        controls_max=3,
        trials=tuple(
            PlannedTrial(trial=number, case=cases[0], injections=(injections(number),))
            for number in range(1, trials + 1)
        ),
        cases=cases,
        undealt=tuple(undealt),
    )


def event(fact, subject="pod/u1", seq=41):
    return Event(
        seq=seq,
        source="harness",
        source_seq=seq,
        earliest_ns=1,
        latest_ns=1,
        basis=Basis.OBSERVED,
        subject=subject,
        data=fact,
    )
