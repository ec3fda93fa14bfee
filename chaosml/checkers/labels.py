"""Whether a checkpoint holds the state of the step that it names (C4).

The control's probe says the digest of the state after each step, the audit that
of each stored checkpoint. A handler that saves between the update and the count
stores the state of step k+1 under the name of step k: a resume then applies one
batch twice, and no loss curve shows it.
"""

from __future__ import annotations

from dataclasses import dataclass

from chaosml.artifacts.contract import Kind
from chaosml.checkers.ledger import part_row
from chaosml.timeline.analysis import Analysis
from chaosml.timeline.ledger import STATE_BYTES, pack_state
from chaosml.timeline.lineage import Part
from chaosml.timeline.moment import Moment
from chaosml.timeline.storage import Version

__all__ = ["Mislabelled", "mislabelled"]


@dataclass(frozen=True, slots=True)
class Mislabelled:
    """A checkpoint that names one step and holds the state of another."""

    version: Version
    named: int
    holds: int
    claimed: Moment
    """When the control had the state that it holds."""


def mislabelled(
    analysis: Analysis, control: Analysis, part: Part, *, always: bool = False
) -> list[Mislabelled]:
    """Return the checkpoints of an execution that hold another step's state than they name.

    Only where digests can be compared: a checkpoint of the control must hold the state that it
    claims for that step. With `always`, that of any step will do, so that a pipeline is found
    which names every checkpoint wrongly; ask so only where something else went wrong.
    """
    if not _is_comparable(control, part, always=always):
        return []
    found = []
    for version, step in _checkpoints(analysis):
        packed = pack_state(version.fact.digest or "")
        if not 1 <= step <= part.stop:
            continue
        claimed = part.claims.ledger.state_bytes(part_row(part, step))
        if claimed is None or claimed == packed:
            continue
        row = _row_of_state(part, packed)
        if row is not None:
            ledger = part.claims.ledger
            found.append(Mislabelled(version, step, ledger.steps[row], ledger.moment(row)))
    return found


def _is_comparable(control: Analysis, part: Part, *, always: bool) -> bool:
    for version, step in _checkpoints(control):
        packed = pack_state(version.fact.digest or "")
        if always and _row_of_state(part, packed) is not None:
            return True
        if 1 <= step <= part.stop:
            claimed = part.claims.ledger.state_bytes(part_row(part, step))
            if claimed == packed:
                return True
    return False


def _checkpoints(analysis: Analysis) -> list[tuple[Version, int]]:
    found = []
    for artifact in analysis.contract.artifacts:
        if artifact.role != "checkpoint" or artifact.parts:
            continue
        for version in analysis.storage.of(artifact, Kind.OBJECT):
            step = version.step
            if version.fact.digest is not None and step is not None:
                found.append((version, step))
    return found


def _row_of_state(part: Part, packed: bytes) -> int | None:
    states = part.claims.ledger.states
    if states is None:
        return None
    place = states.find(packed)
    while place >= 0 and place % STATE_BYTES:
        place = states.find(packed, place + 1)
    return None if place < 0 else place // STATE_BYTES
