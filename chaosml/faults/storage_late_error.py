"""`storage.late-error`: `200 OK`, and the error is in the body.

Mechanism: the gate answers `200 OK` with an `<Error>` document (code `InternalError`), as S3 does
where CompleteMultipartUpload or CopyObject fails after the answer has begun
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html). Nothing
reaches the store. AWS's SDKs take it for status 500; whoever looks at the status alone takes an
object for written that is not there.
Effect: one request of the targeted task.
Permissions: none beyond those of the services' pod.
Receipt: the request, which the gate answered so for this injection. Heal: it passes
everything on again.
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict

from chaosml.faults.disturbance import AtTheGate, OneRequest, disturb_one
from chaosml.faults.script import Scene, Script
from chaosml.services.disturbances import LATE_ERROR

__all__ = ["LateErrorOptions", "StorageLateError"]


class LateErrorOptions(OneRequest):
    """Options of `storage.late-error`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"operation": "CompleteMultipartUpload"}]}
    )

    operation: Literal["CompleteMultipartUpload", "CopyObject", "UploadPartCopy"] = (
        "CompleteMultipartUpload"
    )
    """The operations of S3 that can fail so."""


class StorageLateError(AtTheGate):
    """Answers a write of the target with an error that looks like a success."""

    kind = "storage.late-error"
    options = LateErrorOptions

    def script(self, options: LateErrorOptions, view: str | None, scene: Scene) -> Script:
        """Fail one request late."""
        return disturb_one(scene, options, options.operation, LATE_ERROR)
