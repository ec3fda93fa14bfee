"""What waits between two toxics of a link: chunks in their order, and how the stream ended.

A buffer only counts; whoever fills it asks first whether it is full. Bytes move from one
buffer to the next in one step, so a chain of toxics can be changed between any two steps and
nothing is lost or doubled.
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass, field

__all__ = ["BUFFER_BYTES", "Buffer", "Chunk", "Ending"]

BUFFER_BYTES = 256 * 1024
"""What a buffer holds before whoever fills it has to wait."""


class Ending(enum.Enum):
    """How a stream ends; the most violent that was asked for is what the peers get."""

    FINISHED = "finished"
    """The sender has said that nothing follows; the other direction may go on."""
    CUT = "cut"
    """The connection is closed, whatever the other direction does."""
    RESET = "reset"
    """The connection is torn down with RST, unsent bytes are thrown away."""


@dataclass(slots=True)
class Chunk:
    """Bytes that arrived together, and when they did or are held to have done."""

    data: memoryview
    at_ns: int


@dataclass(slots=True)
class Buffer:
    """Chunks on their way to the next toxic or to the socket."""

    limit: int = BUFFER_BYTES
    chunks: deque[Chunk] = field(default_factory=deque)
    size: int = 0
    ending: Ending | None = None

    @property
    def full(self) -> bool:
        """Whether whoever fills it has to wait."""
        return self.size >= self.limit

    @property
    def over(self) -> bool:
        """Whether nothing is left and nothing follows."""
        return self.ending is not None and not self.chunks

    def append(self, chunk: Chunk) -> None:
        """Add a chunk; after the end it is dropped, as a closed socket would."""
        if self.ending is None:
            self.chunks.append(chunk)
            self.size += len(chunk.data)

    def take(self, size: int) -> Chunk:
        """Remove and return at most `size` bytes of the first chunk."""
        head = self.chunks[0]
        if len(head.data) <= size:
            self.chunks.popleft()
            self.size -= len(head.data)
            return head
        taken = Chunk(head.data[:size], head.at_ns)
        head.data = head.data[size:]
        self.size -= size
        return taken

    def take_all(self) -> int:
        """Remove every chunk; return how many bytes they were."""
        size = self.size
        self.chunks.clear()
        self.size = 0
        return size

    def end(self, ending: Ending) -> None:
        """Say that nothing follows; the first ending stands."""
        if self.ending is None:
            self.ending = ending

    def pour(self, outlet: Buffer) -> None:
        """Move everything, the end included, behind what `outlet` holds, full or not."""
        while self.chunks:
            outlet.append(self.chunks.popleft())
        self.size = 0
        if self.ending is not None:
            outlet.end(self.ending)
