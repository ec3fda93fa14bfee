"""Checks of a scenario's faults against the catalogue and the workflow."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from chaosml.document import Loc, attempt, nearest
from chaosml.errors import Problem
from chaosml.scenario.artifacts import find_final_step
from chaosml.scenario.model import Between, EventTrigger, Fault, Trigger
from chaosml.scenario.parts import Parts
from chaosml.scenario.pipeline import describe_unknown_task
from chaosml.workflow.load import Examination

__all__ = ["Legal", "check_faults", "check_variables"]

Legal = Callable[[str, Any, bool], tuple[str, ...]]


def check_faults(
    parts: Parts,
    examined: Examination | None,
    catalogue: Mapping[str, type[BaseModel]],
    legal: Legal | None,
) -> tuple[dict[int, BaseModel], list[Problem]]:
    """Return the sound options by the position of the fault, and everything that is wrong."""
    options: dict[int, BaseModel] = {}
    problems = [*_check_names(parts), *_check_kinds(parts, catalogue)]
    final_step = find_final_step(parts, examined)
    for index in range(parts.fault_count):
        at: Loc = ("faults", index)
        problems += _check_target(parts, (*at, "target", "task"), examined)
        model = catalogue.get(str(parts.document.get((*at, "inject"))))
        if model is not None:
            chosen, found = attempt(parts.document, model, (*at, "with"))
            problems += found
            if chosen is not None:
                options[index] = chosen
    for index, fault in parts.faults.items():
        problems += _check_place(parts, ("faults", index, "when"), fault.when, final_step)
        for number, trigger in enumerate(fault.again):
            at = ("faults", index, "again", number)
            problems += _check_place(parts, at, trigger, final_step)
        chosen = options.get(index)
        if chosen is not None and legal is not None and examined is not None:
            has_outputs = examined.outline.has_file_outputs(fault.target.task)
            views = legal(fault.inject, chosen, has_outputs)
            problems += _check_views(parts, ("faults", index), fault, views)
            problems += _check_again(parts, ("faults", index), fault, views)
    return options, problems


def check_variables(
    parts: Parts, options: Mapping[int, BaseModel], environment: Mapping[str, str]
) -> Iterator[Problem]:
    """Yield the environment variables that a fault's programs need and that are not set.

    Options with a field `environment`, `secrets` or `configuration` name some.
    """
    for index, chosen in options.items():
        for variable in getattr(chosen, "environment", ()):
            if variable not in environment:
                message = f'the environment variable "{variable}" is not set; export it'
                yield parts.document.problem(("faults", index, "with"), message, key=True)


def _check_names(parts: Parts) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for index in range(parts.fault_count):
        name = parts.document.get(("faults", index, "name"))
        if isinstance(name, str) and first.setdefault(name, index) != index:
            line, _ = parts.document.mark(("faults", first[name], "name"))
            message = f'faults[{index}].name: "{name}" is given twice; the first is in line {line}'
            yield parts.document.problem(("faults", index, "name"), message)


def _check_kinds(parts: Parts, catalogue: Mapping[str, type[BaseModel]]) -> Iterator[Problem]:
    for index in range(parts.fault_count):
        at: Loc = ("faults", index, "inject")
        kind = parts.document.get(at)
        if isinstance(kind, str) and kind not in catalogue:
            meant = nearest(kind, catalogue)
            listed = f"there are: {', '.join(sorted(catalogue))}"
            advice = f'did you mean "{meant}"?' if meant else listed
            message = f'faults[{index}].inject: no fault is called "{kind}"; {advice}'
            yield parts.document.problem(at, message)


def _check_target(parts: Parts, at: Loc, examined: Examination | None) -> Iterator[Problem]:
    task = parts.document.get(at)
    if isinstance(task, str) and examined is not None and task not in examined.outline.pod_tasks():
        message = f"target.task: {describe_unknown_task(examined, task)}"
        yield parts.document.problem(at, message)


def _check_place(parts: Parts, at: Loc, when: Trigger, final_step: int | None) -> Iterator[Problem]:
    if when.object is not None:
        try:
            re.compile(when.object.key)
        except re.error as error:
            message = f'object.key: "{when.object.key}" is no regular expression: {error}'
            yield parts.document.problem((*at, "object", "key"), message)
    places = [((*at, "step"), when.step)]
    if isinstance(when.event, EventTrigger):
        places.append(((*at, "event", "step"), when.event.step))
    for place, step in places:
        last = step.between[1] if isinstance(step, Between) else step
        if last is not None and final_step is not None and last > final_step:
            message = (
                f"step {last} is never reached: the final step is {final_step}, as "
                "pipeline.artifacts says"
            )
            yield parts.document.problem(place, message)


def _check_again(parts: Parts, at: Loc, fault: Fault, legal: tuple[str, ...]) -> Iterator[Problem]:
    if fault.again and not legal:
        message = (
            f"again: nobody replaces the target of {fault.inject} with these options, as "
            "far as can be known; leave it out"
        )
        yield parts.document.problem((*at, "again"), message)


def _check_views(parts: Parts, at: Loc, fault: Fault, legal: tuple[str, ...]) -> Iterator[Problem]:
    if fault.views is None:
        return
    if not fault.views:
        yield parts.document.problem((*at, "views"), "views: is empty; leave it out for all")
    for index, view in enumerate(fault.views):
        if view not in legal:
            listed = ", ".join(legal) or "none, since its target need not die"
            message = (
                f'views: "{view}" cannot happen with {fault.inject} and these options; '
                f"the legal views are: {listed}"
            )
            yield parts.document.problem((*at, "views", index), message)
