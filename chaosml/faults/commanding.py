"""What faults have in common that a program which is not ours carries out.

    run ─► ends well ─► ask for the receipt ─► release the target ─► `for` ─► undo

Whether such a fault took effect nobody here can see, so that somebody must be asked: a
receipt is mandatory, and without a good one the injection is INVALID. The target is held until
then. What is to be undone is journalled before the program starts.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer

from chaosml.event import CommandEnded, Event, Scalar
from chaosml.faults.program import PLACEHOLDERS, Program, words_in
from chaosml.faults.script import (
    AskReceipt,
    Invalidate,
    Pause,
    Release,
    RunCommand,
    Scene,
    Script,
    UndoCommand,
    Undone,
    Until,
)
from chaosml.scenario.model import Boolean, Duration
from chaosml.workflow.views import View

__all__ = [
    "Argv",
    "Commanded",
    "CommandedOptions",
    "Names",
    "Programs",
    "Variable",
    "carry_out",
    "check_words",
]

_SPARE_S = 2.0
"""What a machine under load takes beyond a program's own time to start and end it."""
_TYPING_ERROR = 0.8
"""So near to a known word is a mistake; others, such as `{name}`, are for the program."""
_HOLD_S_MAX = 50.0
"""A client gives a held request up after a minute."""


def check_words(value: Any) -> Any:
    """Refuse a word in braces that was meant to be one which is filled in."""
    for word in words_in(value):
        meant = difflib.get_close_matches(word, PLACEHOLDERS, n=1, cutoff=_TYPING_ERROR)
        if word not in PLACEHOLDERS and meant:
            raise ValueError(
                f"holds {{{word}}}, which nothing fills in; did you mean {{{meant[0]}}}?"
            )
    return value


Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""The name of an environment variable."""


def _join(names: Sequence[str]) -> str:
    return ", ".join(names)


class CommandedOptions(BaseModel):
    """Options that such kinds of faults share."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=lambda name: name.replace("_", "-"),
        populate_by_name=True,
    )

    within: Annotated[Duration, Field(gt=0, le=300)] = 10.0
    """The receipt must be there so long after the command's end."""
    timeout: Annotated[Duration, Field(gt=0, le=300)] = 10.0
    """Of each single program: then its processes are killed."""
    duration: Annotated[Duration | None, Field(alias="for", gt=0)] = None
    """How long the fault stays; default: until the end of the execution."""
    kills: Boolean = False
    """Whether the target is meant to die of it."""

    def variables(self) -> tuple[str, ...]:
        """Return the names of the environment variables that its programs get."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """The programs of one injection, with every word filled in."""

    command: Program
    receipt: Program
    expected: Mapping[str, Scalar] = field(default_factory=dict)
    undo: Program | None = None


class Commanded:
    """What such kinds of faults have in common."""

    capabilities: Sequence[type] = ()

    def views(self, options: CommandedOptions, *, has_outputs: bool) -> Sequence[View | None]:
        """Nobody here knows how a death by others surfaces: the view is the one that was seen."""
        return (None,)

    def lethal(self, options: CommandedOptions) -> bool:
        """As the scenario says."""
        return options.kills

    def hold_s(self, options: CommandedOptions) -> float:
        """How long the target may wait for the receipt, in seconds."""
        return min(_HOLD_S_MAX, options.timeout + options.within + _SPARE_S)


def carry_out(scene: Scene, programs: Programs, options: CommandedOptions) -> Script:
    """Run the command, have its effect confirmed, take it back."""
    uid, name = scene.target.uid, scene.injection
    ears = _Ears(name)
    limit_s = options.timeout + _SPARE_S
    yield RunCommand(uid, programs.command, programs.undo)
    # A pipeline that ends meanwhile takes nothing of the answer away.
    what = f"end of the command of {name}"
    heard = yield Until(ears.end_of("command"), what, limit_s, outlasts=True)
    failure = ears.failure_of("command", heard)
    if failure is None:
        yield AskReceipt(uid, programs.receipt, programs.expected, options.within)
        wait_s = options.within + limit_s
        what = f"receipt of {name}"
        heard = yield Until(ears.end_of("receipt"), what, wait_s, outlasts=True)
        failure = ears.failure_of("receipt", heard)
    if failure is not None:
        yield Invalidate(*failure)
    yield Release()
    if programs.undo is None or (options.duration is None and failure is None):
        return
    if failure is None:
        yield Pause(options.duration or 0.0)
    yield UndoCommand(uid, programs.undo)
    heard = yield Until(ears.end_of("undo"), f"undo of {name}", limit_s)
    if ears.failure_of("undo", heard) is None:
        yield Undone(uid)


@dataclass(slots=True)
class _Ears:
    """Remembers how each program of an injection ended."""

    injection: str
    ends: dict[str, CommandEnded] = field(default_factory=dict)

    def end_of(self, part: str) -> Any:
        """Return what recognises the end of a part."""

        def matches(event: Event) -> bool:
            said = event.data
            if not isinstance(said, CommandEnded) or said.injection != self.injection:
                return False
            self.ends[said.part] = said
            return said.part == part

        return matches

    def failure_of(self, part: str, heard: bool | None) -> tuple[str, str] | None:
        """Return why a part did not do what it should, and the details; None where it did."""
        if not heard:
            return f"{part}-unheard", f"nobody said how the {part} of {self.injection} ended"
        said = self.ends.get(part)
        if said is None or said.outcome == "done":
            return None
        return f"{part}-{said.outcome}", said.detail or f"exit code {said.exit_code}"


Argv = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    Field(min_length=1),
    AfterValidator(check_words),
    PlainSerializer(lambda words: " ".join(words), return_type=str),
]
"""A program and its arguments; nothing passes a shell."""
Names = Annotated[tuple[Variable, ...], PlainSerializer(_join, return_type=str)]
