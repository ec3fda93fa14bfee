"""A rehearsal for people and for programs."""

from __future__ import annotations

import msgspec

from chaosml.runner.objections import Objections
from chaosml.runner.rehearsal import Rehearsal
from chaosml.store.owner import Place

__all__ = ["json_of", "text_of"]


def text_of(place: Place, rehearsal: Rehearsal, objections: Objections, note: str) -> str:
    """Return every call, phase by phase, and what stands against them."""
    calls = [call for phase in rehearsal.phases for call in phase.calls]
    changing = sum(call.changes for call in calls)
    lines = [
        f"a run in {place} would make these {len(calls)} calls, {changing} of which change "
        "something; none was made",
        f"({note})",
    ]
    for phase in rehearsal.phases:
        lines += ["", phase.name]
        for call in phase.calls:
            where = f"  in {call.namespace}" if call.namespace is not None else ""
            lines.append(f"  {'*' if call.changes else ' '} {call}{where}")
    lines += ["", "* changes something"]
    lines += [f"note: {one}" for one in objections.notes]
    lines += [f"refused: {one}" for one in objections.refused]
    return "\n".join(lines) + "\n"


def json_of(place: Place, rehearsal: Rehearsal, objections: Objections, note: str) -> str:
    """Return the same as a document."""
    document = {
        "place": place,
        "phases": rehearsal.phases,
        "note": note,
        "notes": objections.notes,
        "refused": objections.refused,
    }
    return msgspec.json.format(msgspec.json.encode(document)).decode() + "\n"
