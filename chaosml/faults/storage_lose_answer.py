"""`storage.lose-answer`: the object store has committed a write, and nobody tells the client.

Mechanism: the gate passes the request on, waits until the store has carried it out, and resets
the client's connection instead of answering. The client cannot know that its write is there:
whoever tries again meets it.
Effect: one request of the targeted task.
Permissions: none beyond those of the services' pod.
Receipt: the request, which the gate saw stored, and whose answer it cut for this injection.
Heal: it passes everything on again.
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict

from chaosml.faults.disturbance import AtTheGate, OneRequest, disturb_one
from chaosml.faults.script import Scene, Script
from chaosml.services.disturbances import LOSE_ANSWER

__all__ = ["LoseAnswerOptions", "StorageLoseAnswer"]


class LoseAnswerOptions(OneRequest):
    """Options of `storage.lose-answer`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"operation": "PutObject", "key": "^registry/"}]}
    )

    operation: Literal[
        "PutObject",
        "CopyObject",
        "DeleteObject",
        "UploadPart",
        "CreateMultipartUpload",
        "CompleteMultipartUpload",
    ] = "PutObject"
    """S3's name of the write."""


class StorageLoseAnswer(AtTheGate):
    """Loses the answer to a write of the target."""

    kind = "storage.lose-answer"
    options = LoseAnswerOptions

    def script(self, options: LoseAnswerOptions, view: str | None, scene: Scene) -> Script:
        """Lose one answer."""
        return disturb_one(scene, options, options.operation, LOSE_ANSWER)
