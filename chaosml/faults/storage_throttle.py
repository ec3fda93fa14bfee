"""`storage.throttle`: the object store refuses, since it is asked too often.

Mechanism: the gate answers `503 Slow Down`, as S3 does, or `429 Too Many Requests`, as Google's
XML API does, both with the code `SlowDown` and `Connection: close`; nothing reaches the store.
Which of the matching requests are refused is drawn from the scenario's seed where `share`
is less than all of them. The same program on every substrate.
Effect: every pod of the targeted task.
Permissions: none beyond those of the services' pod.
Receipt: requests of the target that the gate refused for this injection. Heal: it passes
everything on again.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from chaosml.faults.disturbance import AtTheGate, Operations, Selection, disturb_for
from chaosml.faults.script import Scene, Script
from chaosml.scenario.model import Duration, Percent
from chaosml.services.disturbances import THROTTLE

__all__ = ["StorageThrottle", "ThrottleOptions"]


class ThrottleOptions(Selection):
    """Options of `storage.throttle`."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"for": "10s"}]})

    operations: Operations | None = None
    """Only these; default: every request of the task."""
    share: Percent = 1.0
    """Of the matching requests; which ones follows from the scenario's seed and their order."""
    status: Literal[503, 429] = 503
    """503: as S3; 429: as Google's XML API."""
    retry_after: Annotated[Duration, Field(gt=0)] | None = None
    """What `Retry-After` says, in whole seconds; default: it is not there, as with S3."""

    @model_validator(mode="after")
    def _check(self) -> ThrottleOptions:
        if not 0 < self.share <= 1:
            raise ValueError("share must be more than 0% and at most 100%")
        if self.retry_after is not None and self.retry_after != round(self.retry_after):
            raise ValueError("retry-after must be whole seconds: the header takes nothing else")
        return self


class StorageThrottle(AtTheGate):
    """Refuses requests of the target."""

    kind = "storage.throttle"
    options = ThrottleOptions

    def script(self, options: ThrottleOptions, view: str | None, scene: Scene) -> Script:
        """Refuse, wait, stop refusing."""
        wait_s = None if options.retry_after is None else round(options.retry_after)
        return disturb_for(
            scene,
            options,
            options.operations or (),
            THROTTLE,
            share=options.share,
            status=options.status,
            retry_after_s=wait_s,
        )
