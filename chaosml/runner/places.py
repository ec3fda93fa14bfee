"""From a planned place to the rule that is armed in the services."""

from __future__ import annotations

from chaosml.plan.model import PlannedInjection
from chaosml.services.messages import Rule

__all__ = ["rule_of"]


def rule_of(planned: PlannedInjection) -> Rule:
    """Return the rule for an exact place."""
    place = planned.place
    attempt = planned.attempt if planned.follows is None else None
    if place.kind == "object":
        return Rule(
            rule=planned.injection,
            task=planned.task,
            attempt=attempt,
            place=place.words,
            hold_s=planned.hold_s,
            nth=place.nth,
            operation=place.operation,
            key=place.key,
            when=place.when or "before",
        )
    fields = {"step": place.step, "phase": place.phase, "name": place.name}
    return Rule(
        rule=planned.injection,
        task=planned.task,
        attempt=attempt,
        place=place.words,
        hold_s=planned.hold_s,
        nth=place.nth,
        event="step" if place.kind == "step" else place.event,
        fields={name: value for name, value in fields.items() if value is not None},
    )
