"""From a scenario and a seed to a plan; pure, so that the same seed gives the same bytes."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from chaosml.plan.model import Case, Option, Place, Plan, PlannedInjection, PlannedTrial
from chaosml.scenario.model import Between, EventTrigger, Fault, ObjectTrigger, Scenario, Trigger

__all__ = ["build"]

_CONTROLS_MAX = 3
_HOLD_S = 5.0
_HOLD_SETTLED_S = 45.0


def build(
    scenario: Scenario,
    *,
    views: Mapping[str, Sequence[str | None]],
    options: Mapping[str, Mapping[str, Option]],
    holds: Mapping[str, float] | None = None,
) -> Plan:
    """Deal the scenario's cases over its trials.

    Args:
        scenario: The validated scenario; its `seed` is the only source of chance.
        views: Legal views by fault name.
        options: Validated options by fault name, as scalars.
        holds: How long a target may be held, in seconds, by fault name; default: as is usual.
    """
    cases = [
        Case(fault=fault.name, view=view) for fault in scenario.faults for view in views[fault.name]
    ]
    count = len(cases) if scenario.trials is None else scenario.trials
    order = _deal(cases, count, random.Random(f"{scenario.seed}/deal"))
    faults = {fault.name: fault for fault in scenario.faults}
    trials = tuple(
        _plan_trial(
            number,
            case,
            faults[case.fault],
            options[case.fault],
            scenario.seed,
            (holds or {}).get(case.fault, _HOLD_S),
        )
        for number, case in enumerate(order, start=1)
    )
    return Plan(
        seed=scenario.seed,
        controls=scenario.controls,
        controls_max=max(_CONTROLS_MAX, scenario.controls),
        trials=trials,
        cases=tuple(cases),
        undealt=tuple(case for case in cases if case not in order),
    )


def _deal(cases: list[Case], count: int, chance: random.Random) -> list[Case]:
    """Return `count` cases round-robin; too few trials take a sample instead of the first ones."""
    if count < len(cases):
        chosen = set(chance.sample(range(len(cases)), count))
        return [case for index, case in enumerate(cases) if index in chosen]
    return [cases[index % len(cases)] for index in range(count)]


def _plan_trial(
    number: int,
    case: Case,
    fault: Fault,
    options: Mapping[str, Option],
    seed: int,
    hold_s: float,
) -> PlannedTrial:
    chance = random.Random(f"{seed}/trial/{number}")
    name = f"t{number}.{fault.name}"
    names = [name, *(f"{name}.{again}" for again in range(2, len(fault.again) + 2))]
    injections = tuple(
        PlannedInjection(
            injection=one,
            fault=fault.name,
            inject=fault.inject,
            task=fault.target.task,
            attempt=fault.target.attempt,
            place=_choose_place(trigger, chance),
            view=case.view,
            options=dict(options),
            settled=trigger.settled,
            hold_s=max(hold_s, _HOLD_SETTLED_S) if trigger.settled else hold_s,
            follows=before,
        )
        for one, before, trigger in zip(
            names, [None, *names], (fault.when, *fault.again), strict=False
        )
    )
    return PlannedTrial(trial=number, case=case, injections=injections)


def _choose_place(trigger: Trigger, chance: random.Random) -> Place:
    if trigger.step is not None:
        return Place(kind="step", step=_choose_step(trigger.step, chance))
    if trigger.event is not None:
        return _choose_event(trigger.event, chance)
    if trigger.object is not None:
        return _choose_request(trigger.object)
    if trigger.after is not None:
        return Place(kind="after", after_s=trigger.after)
    return Place(kind="pod")


def _choose_event(event: EventTrigger, chance: random.Random) -> Place:
    return Place(
        kind="event",
        event=event.event,
        phase=event.phase,
        name=event.name,
        step=None if event.step is None else _choose_step(event.step, chance),
        nth=event.nth,
    )


def _choose_request(request: ObjectTrigger) -> Place:
    return Place(
        kind="object",
        when="before" if request.before else "after",
        operation=request.before or request.after,
        key=request.key,
        nth=request.nth,
    )


def _choose_step(step: int | Between, chance: random.Random) -> int:
    return step if isinstance(step, int) else chance.randint(*step.between)
