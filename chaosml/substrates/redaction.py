"""What a pipeline says about its tasks and prints, without the secrets that it was given."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from chaosml.event import TaskPhase
from chaosml.workflow.protocol import Vertex

__all__ = ["RedactedStream", "Redaction", "hidden_values"]

_SECRET_CHARACTERS_MIN = 4
"""A shorter value would hide ordinary text and protects nothing."""
_HIDDEN = "***"


def hidden_values(secrets: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
    """Return the values to hide, longest first: one inside of another leaves nothing of it."""
    values = {value for keys in secrets.values() for value in keys.values()}
    long_enough = (value for value in values if len(value) >= _SECRET_CHARACTERS_MIN)
    return tuple(sorted(long_enough, key=lambda value: (-len(value), value)))


class RedactedStream:
    """A stream of bytes without the values of secrets, also where a chunk ends inside of one.

    What could be the begin of a value is held back until the next chunk decides, or the end.
    """

    def __init__(self, values: Iterable[str]) -> None:
        self._values = [value.encode() for value in values]
        self._pattern = re.compile(b"|".join(re.escape(value) for value in self._values) or b"(?!)")
        self._rest = b""

    def take(self, chunk: bytes) -> bytes:
        """Return what of the stream is certain by now."""
        if not self._values:
            return chunk
        hidden = self._pattern.sub(_HIDDEN.encode(), self._rest + chunk)
        kept = max((_begin_of(value, hidden) for value in self._values), default=0)
        self._rest = hidden[len(hidden) - kept :]
        return hidden[: len(hidden) - kept]

    def end(self) -> bytes:
        """Return what was held back."""
        rest, self._rest = self._rest, b""
        return rest


def _begin_of(value: bytes, text: bytes) -> int:
    """Return how many bytes at the end of `text` are the begin of `value`."""
    longest = min(len(value) - 1, len(text))
    return next((size for size in range(longest, 0, -1) if text.endswith(value[:size])), 0)


class Redaction:
    """Hides the values of secrets, which a pipeline may have put into an output or message."""

    def __init__(self, secrets: Mapping[str, Mapping[str, str]]) -> None:
        self._values = hidden_values(secrets)

    def hide(self, text: str) -> str:
        """Return the text without the values of secrets."""
        for value in self._values:
            text = text.replace(value, _HIDDEN)
        return text

    def phase_of(self, vertex: Vertex) -> TaskPhase:
        """Return the fact that a vertex is in its phase."""
        return TaskPhase(
            vertex=vertex.name,
            display_name=vertex.display_name,
            template=vertex.template,
            type=vertex.type,
            phase=vertex.phase,
            message=self.hide(vertex.message),
            task=vertex.task,
            attempt=vertex.attempt,
            pod=vertex.pod,
            hooked=vertex.hooked,
            exit_code=vertex.exit_code,
            outputs={name: self.hide(value) for name, value in vertex.outputs.items()},
        )
