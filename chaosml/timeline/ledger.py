"""The steps that a pod claims, in compact columns: a million of them must fit and be fast.

    step  batch (8 bytes)  loss  [state (32 bytes)]  seq  earliest  latest

A batch hash of sixteen hexadecimal digits, as the probe writes it, becomes its
eight bytes; any other string is hashed to eight and kept aside, so that the
chain of a commit can be computed from it.
"""

from __future__ import annotations

import hashlib
import struct
from array import array
from collections.abc import Iterable
from dataclasses import dataclass

from chaosml.event import ClaimStep, Event
from chaosml.timeline.moment import Moment

__all__ = [
    "BATCH_BYTES",
    "NO_LOSS",
    "STATE_BYTES",
    "Segment",
    "StepLedger",
    "chain_of",
    "pack_state",
]

BATCH_BYTES = 8
STATE_BYTES = 32

# A NaN that no arithmetic makes: a loss that is NaN stays distinguishable from none.
NO_LOSS: float = struct.unpack("<d", struct.pack("<Q", 0x7FF8_0000_0000_C0DE))[0]

_NO_STATE = bytes(STATE_BYTES)


@dataclass(frozen=True, slots=True)
class Segment:
    """The life of one process in a pod, from one restore to the next or to its end."""

    pid: int
    restore_step: int | None
    """None: it never said what it started from."""
    restore_key: str | None
    restore_digest: str | None
    restored: Moment | None
    began: Moment
    """Its first line."""
    ended: Moment
    """Its last line."""
    first_row: int
    last_row: int
    """Rows of the ledger, the end excluded."""

    @property
    def rows(self) -> range:
        """Its rows in the ledger of the pod."""
        return range(self.first_row, self.last_row)


class StepLedger:
    """The completed steps of the first rank of a pod, in the order of its lines."""

    __slots__ = ("batches", "earliest", "latest", "losses", "odd", "seqs", "states", "steps")

    def __init__(self) -> None:
        self.steps = array("q")
        self.batches = bytearray()
        self.losses = array("d")
        self.states: bytearray | None = None
        self.seqs = array("q")
        self.earliest = array("q")
        self.latest = array("q")
        self.odd: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self.steps)

    def append(self, event: Event, claim: ClaimStep) -> None:
        """Add a row."""
        batch = claim.batch
        try:
            packed = bytes.fromhex(batch)
        except ValueError:
            packed = b""
        if len(packed) != BATCH_BYTES or packed.hex() != batch:
            packed = hashlib.blake2b(batch.encode(), digest_size=BATCH_BYTES).digest()
            self.odd[len(self.steps)] = batch
        self.batches += packed
        self.losses.append(_parse_loss(claim.loss))
        if claim.state is not None or self.states is not None:
            self._append_state(claim.state)
        self.steps.append(claim.step)
        self.seqs.append(event.seq)
        self.earliest.append(event.earliest_ns)
        self.latest.append(event.latest_ns)

    def _append_state(self, state: str | None) -> None:
        if self.states is None:
            self.states = bytearray(STATE_BYTES * len(self.steps))
        self.states += _NO_STATE if state is None else pack_state(state)

    def moment(self, row: int) -> Moment:
        """Return when the step of a row was complete."""
        return Moment(self.earliest[row], self.latest[row], self.seqs[row])

    def batch(self, row: int) -> str:
        """Return the batch hash of a row as it was claimed."""
        return self.odd[row] if row in self.odd else self.batch_bytes(row).hex()

    def batch_bytes(self, row: int) -> bytes:
        """Return the eight bytes that stand for the batch of a row."""
        return bytes(self.batches[row * BATCH_BYTES : (row + 1) * BATCH_BYTES])

    def state_bytes(self, row: int) -> bytes | None:
        """Return what stands for the state after the step of a row, where it was claimed."""
        if self.states is None:
            return None
        packed = bytes(self.states[row * STATE_BYTES : (row + 1) * STATE_BYTES])
        return None if packed == _NO_STATE else packed

    def loss(self, row: int) -> float | None:
        """Return the loss of a row, where it was claimed."""
        loss = self.losses[row]
        return None if _bits(loss) == _bits(NO_LOSS) else loss


def _parse_loss(loss: str | None) -> float:
    if loss is None:
        return NO_LOSS
    try:
        return float.fromhex(loss)
    except (ValueError, OverflowError):
        return NO_LOSS


def _bits(loss: float) -> bytes:
    return struct.pack("<d", loss)


def pack_state(digest: str) -> bytes:
    """Return the 32 bytes that stand for a state digest."""
    try:
        packed = bytes.fromhex(digest)
    except ValueError:
        packed = b""
    if len(packed) == STATE_BYTES:
        return packed
    return hashlib.blake2b(digest.encode(), digest_size=STATE_BYTES).digest()


def chain_of(rows: Iterable[tuple[int, str]]) -> tuple[str, int]:
    """Return the hash chain of a probe after these (step, batch), and how many there were."""
    chain, count = "", 0
    for step, batch in rows:
        chain = hashlib.sha256(f"{chain}{step}:{batch};".encode()).hexdigest()
        count += 1
    return chain, count
