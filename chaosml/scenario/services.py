"""Checks of `services`, and of the faults that act on the way to one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import BaseModel

from chaosml.document import Loc, nearest
from chaosml.errors import Problem
from chaosml.scenario.model import STORE, Service
from chaosml.scenario.parts import Parts
from chaosml.scenario.pipeline import describe_undeclared
from chaosml.workflow.load import Examination

__all__ = ["check_services"]


def check_services(
    parts: Parts, examined: Examination | None, options: Mapping[int, BaseModel]
) -> Iterator[Problem]:
    """Yield what of `services` does not fit the workflow or the faults.

    Args:
        parts: The sound parts of the scenario.
        examined: The workflow, as far as it can be read.
        options: Sound options by the position of the fault; those with a field `service` name one.
    """
    raw = parts.document.get(("services",))
    names = [STORE, *(map(str, raw) if isinstance(raw, dict) else ())]
    if STORE in names[1:]:
        message = f'"{STORE}" is the object store and always there; use another name'
        yield parts.document.problem(("services", STORE), message, key=True)
    for name, service in parts.services.items():
        yield from _check_parameter(parts, ("services", name, "parameter"), service, examined)
    for index, chosen in options.items():
        wanted = getattr(chosen, "service", None)
        if isinstance(wanted, str) and wanted not in names:
            meant = nearest(wanted, names)
            advice = f'did you mean "{meant}"?' if meant else f"there are: {', '.join(names)}"
            message = f'service: no service is called "{wanted}"; {advice}'
            yield parts.document.problem(("faults", index, "with", "service"), message)


def _check_parameter(
    parts: Parts, at: Loc, service: Service, examined: Examination | None
) -> Iterator[Problem]:
    name = service.parameter
    if name is None:
        return
    given = parts.document.get(("pipeline", "parameters"))
    if (isinstance(given, dict) and name in given) or name in parts.isolated.values():
        message = f'parameter: "{name}" is set in pipeline already; remove it here or there'
        yield parts.document.problem(at, message)
    arguments = examined.outline.arguments if examined is not None else None
    if arguments is None:
        return
    declared = [parameter.name for parameter in arguments.parameters]
    if name not in declared:
        message = f"parameter: {describe_undeclared(name, declared)}"
        yield parts.document.problem(at, message)
