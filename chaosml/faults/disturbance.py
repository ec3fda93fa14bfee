"""What faults have in common for which the gate itself does something to requests.

    disturb ─► release the target ─► `for`, or until it was met ─► calm

Mechanism: the gate in front of the store knows operation, key, pod and outcome of every
request, so it can choose among them, which no proxy of bytes can. It is the same program on
every substrate, and no Toxiproxy is needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
)

from chaosml.event import Event, Request
from chaosml.faults.degradation import OnTheWay
from chaosml.faults.script import Calm, Disturb, Pause, Release, Scene, Script, Until
from chaosml.scenario.model import STORE, Duration, Integer
from chaosml.services.messages import Disturbance

__all__ = [
    "AtTheGate",
    "KeyPattern",
    "OneRequest",
    "Operations",
    "Selection",
    "disturb",
    "disturb_for",
    "disturb_one",
]

_Operation = Literal[
    "PutObject",
    "CopyObject",
    "DeleteObject",
    "DeleteObjects",
    "CreateMultipartUpload",
    "UploadPart",
    "UploadPartCopy",
    "CompleteMultipartUpload",
    "AbortMultipartUpload",
    "GetObject",
    "HeadObject",
    "ListObjectsV2",
    "ListObjects",
    "ListParts",
]


def _check_key(key: str) -> str:
    try:
        re.compile(key)
    except re.error as error:
        raise ValueError(f'"{key}" is no regular expression: {error}') from error
    return key


def _join(operations: Sequence[str]) -> str:
    return ", ".join(operations)


KeyPattern = Annotated[str, AfterValidator(_check_key)]
"""Regular expression, searched in the object's key."""
Operations = Annotated[
    tuple[_Operation, ...], Field(min_length=1), PlainSerializer(_join, return_type=str)
]
"""S3's names; in a plan they are one text."""


class Selection(BaseModel):
    """Which requests of the target a fault is about, and for how long."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=lambda name: name.replace("_", "-"),
        populate_by_name=True,
    )

    key: KeyPattern | None = None
    """Only objects in whose key this regular expression is found; default: every one."""
    first: Annotated[Integer, Field(ge=1)] | None = None
    """At most so many requests; the fault ends with the last of them. Default: all."""
    duration: Annotated[Duration, Field(alias="for", gt=0)]
    """How long."""


class OneRequest(BaseModel):
    """Which single request of the target a fault is about."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    key: KeyPattern | None = None
    """Only an object in whose key this regular expression is found; default: any."""
    nth: Annotated[Integer, Field(ge=1)] = 1
    """Which of the matching requests, counted from the fault's place on."""
    within: Annotated[Duration, Field(gt=0)] = 60.0
    """It must come within this time; else nothing has happened, and the trial is INVALID."""


class AtTheGate(OnTheWay):
    """What such kinds of faults have in common: no proxy, and it is the store's requests."""

    proxied = False

    def service(self, options: Any) -> str:
        """The store."""
        return STORE


def disturb_for(
    scene: Scene, chosen: Selection, operations: Sequence[str], how: str, **settings: Any
) -> Script:
    """Disturb what was selected, for as long as was asked.

    Args:
        scene: The moment.
        chosen: Which requests, and how long.
        operations: S3's names; none: every one.
        how: As `services.disturbances` names it.
        settings: Of a `Disturbance`, as this kind of fault takes them.
    """
    disturbance = Disturbance(
        injection=scene.injection,
        how=how,
        task=scene.target.task,
        operations=tuple(operations),
        key=chosen.key,
        most=chosen.first,
        **settings,
    )
    return disturb(disturbance, times=chosen.first, for_s=chosen.duration)


def disturb_one(scene: Scene, chosen: OneRequest, operation: str, how: str) -> Script:
    """Disturb the one request that was chosen."""
    disturbance = Disturbance(
        injection=scene.injection,
        how=how,
        task=scene.target.task,
        operations=(operation,),
        key=chosen.key,
        nth=chosen.nth,
        most=1,
    )
    return disturb(disturbance, times=1, for_s=chosen.within)


def disturb(disturbance: Disturbance, *, times: int | None, for_s: float) -> Script:
    """Have the gate disturb requests for a while.

    Args:
        disturbance: What it does, to which.
        times: It ends when so many were met; None: only with the time.
        for_s: It ends after so long, whatever was met.
    """
    yield Disturb(disturbance)
    yield Release()
    if times is None:
        yield Pause(for_s)
    else:
        what = f"{times} requests of {disturbance.task} that meet {disturbance.injection}"
        yield Until(_met(disturbance.injection, times), what, for_s)
    yield Calm(disturbance.injection, disturbance.task)


def _met(injection: str, times: int) -> Callable[[Event], bool]:
    """Return what is true from the `times`th request on that the gate disturbed."""
    seen = 0

    def matches(event: Event) -> bool:
        nonlocal seen
        seen += isinstance(event.data, Request) and event.data.injection == injection
        return seen >= times

    return matches
