"""The armed places of an execution: which of them a request or a probe's event is."""

from __future__ import annotations

import re
from dataclasses import dataclass

from chaosml.errors import ServiceError
from chaosml.services.messages import AddPod, Rule
from chaosml.services.operation import Operation

__all__ = ["ArmedRules", "ProbeRule"]


@dataclass(slots=True)
class _Armed:
    rule: Rule
    key: re.Pattern[str] | None
    matches: int = 0

    def concerns(self, pod: AddPod) -> bool:
        """Whether the rule speaks of this pod."""
        return self.rule.task == pod.task and self.rule.attempt in (None, pod.attempt)

    @property
    def is_due(self) -> bool:
        """Whether the match just counted is the one to fire at."""
        return self.matches == self.rule.nth


@dataclass(frozen=True, slots=True)
class ProbeRule:
    """An armed rule as a probe gets it."""

    token: str
    """The rule's id for this stop. A probe remembers each id that was released, so the
    stops in front of the `nth` match have ids of their own."""
    rule: Rule


class ArmedRules:
    """The rules in force; each fires once, at its `nth` match, and is gone."""

    def __init__(self) -> None:
        self._armed: dict[str, _Armed] = {}
        self._known: set[str] = set()

    def arm(self, rule: Rule) -> None:
        """Put a rule in force.

        Raises:
            ServiceError: it was armed before, names no place or two, or its key is no pattern.
        """
        if rule.rule in self._known:
            raise ServiceError(f"rule {rule.rule!r} was armed before; give each injection its own")
        if (rule.event is None) == (rule.operation is None):
            raise ServiceError(
                f"rule {rule.rule!r} must have either an event or an operation, "
                f"not event={rule.event!r} and operation={rule.operation!r}"
            )
        if rule.nth < 1 or rule.when not in ("before", "after"):
            raise ServiceError(
                f"rule {rule.rule!r}: nth={rule.nth} must be at least 1 "
                f"and when={rule.when!r} 'before' or 'after'"
            )
        try:
            key = None if rule.key is None else re.compile(rule.key)
        except re.error as error:
            raise ServiceError(
                f"rule {rule.rule!r}: key {rule.key!r} is not a regular expression: {error}"
            ) from error
        self._known.add(rule.rule)
        self._armed[rule.rule] = _Armed(rule, key)

    def disarm(self, rule: str) -> None:
        """Take a rule out of force; one that has fired stays fired.

        Raises:
            ServiceError: it was never armed.
        """
        if rule not in self._known:
            raise ServiceError(f"rule {rule!r} was never armed; it cannot be disarmed")
        self._armed.pop(rule, None)

    def take_request(self, operation: Operation, pod: AddPod, when: str) -> Rule | None:
        """Count a request for the rules that it matches; return the one that fires, if one does."""
        fired: Rule | None = None
        for armed in list(self._armed.values()):
            rule = armed.rule
            if (
                rule.operation != operation.name
                or rule.when != when
                or not armed.concerns(pod)
                or (armed.key is not None and not armed.key.search(operation.key))
            ):
                continue
            armed.matches += 1
            # Where two rules are due at one request, the second waits for the next.
            if armed.is_due and fired is None:
                fired = self._armed.pop(rule.rule).rule
            elif armed.is_due:
                armed.matches -= 1
        return fired

    def for_probe(self, pod: AddPod) -> list[ProbeRule]:
        """Return the rules that a probe of this pod must stop at."""
        return [
            ProbeRule(f"{name}#{armed.matches}", armed.rule)
            for name, armed in self._armed.items()
            if armed.rule.event is not None and armed.concerns(pod)
        ]

    def take_stop(self, token: str, pod: AddPod) -> Rule | None:
        """Count a probe's stop; return the rule if it fires, None if the probe may go on."""
        armed = self._armed.get(token.rpartition("#")[0])
        if armed is None or armed.rule.event is None or not armed.concerns(pod):
            return None
        armed.matches += 1
        return self._armed.pop(armed.rule.rule).rule if armed.is_due else None
