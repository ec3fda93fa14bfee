"""What a pipeline says about its tasks, without the secrets that it was given."""

from __future__ import annotations

from collections.abc import Mapping

from chaosml.event import TaskPhase
from chaosml.workflow.protocol import Vertex

__all__ = ["Redaction"]

_SECRET_CHARACTERS_MIN = 4
"""A shorter value would hide ordinary text and protects nothing."""
_HIDDEN = "***"


class Redaction:
    """Hides the values of secrets, which a pipeline may have put into an output or message."""

    def __init__(self, secrets: Mapping[str, Mapping[str, str]]) -> None:
        values = {value for keys in secrets.values() for value in keys.values()}
        # Longest first, so that a secret inside of another leaves nothing of the longer one.
        self._values = sorted(
            (value for value in values if len(value) >= _SECRET_CHARACTERS_MIN),
            key=len,
            reverse=True,
        )

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
