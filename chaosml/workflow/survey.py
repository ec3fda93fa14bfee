"""The document of a survey: how often and how fast a pod's death surfaced in which way.

`chaosml cluster survey` measures it on real clusters; the copy beside this module is
what the legal views of each way to die are read from. A cell is one combination of
everything that was varied.
"""

from __future__ import annotations

import enum
import functools
import importlib.resources
from collections.abc import Sequence

import msgspec

from chaosml.workflow.views import View, WayToDie

__all__ = [
    "SCHEMA",
    "Cell",
    "Measured",
    "Outcome",
    "Program",
    "Seen",
    "Signal",
    "Spread",
    "Survey",
    "Timing",
    "Trial",
    "published",
]

SCHEMA = 1
"""Version of the document; another one is not read."""


class Program(enum.StrEnum):
    """What the process in the container does with SIGTERM."""

    DEFAULT = "default"
    """No handler: it dies."""
    EXIT_143 = "exit143"
    """It works for another second and exits with 143."""
    EXIT_0 = "exit0"
    """It works for another second, writes its outputs if it has any, and exits with 0."""
    IGNORE = "ignore"
    """It goes on until SIGKILL."""


class Signal(enum.StrEnum):
    """What is sent to the process where nobody deletes the pod."""

    KILL = "SIGKILL"
    TERM = "SIGTERM"


class Timing(enum.StrEnum):
    """When the strike comes."""

    EARLY = "early"
    """As soon as the container runs: the controller has hardly seen it."""
    SETTLED = "settled"
    """Some time after the controller showed it running."""


class Cell(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One combination of everything that a survey varies."""

    argo: str
    """Version, such as v4.0.5."""
    finalizer: bool
    """Whether pods keep a finalizer until their status is read
    (`ARGO_POD_STATUS_CAPTURE_FINALIZER`)."""
    way: WayToDie
    signal: Signal | None = None
    program: Program = Program.DEFAULT
    outputs: bool = False
    """Whether the template has an output parameter that is read from a file."""
    timing: Timing = Timing.SETTLED

    def __str__(self) -> str:
        """Name it in one word, for rows and progress."""
        parts = [
            self.argo,
            "finalizer" if self.finalizer else "no-finalizer",
            self.way if self.signal is None else self.signal,
            self.program,
            "outputs" if self.outputs else "no-outputs",
            self.timing,
        ]
        return "/".join(parts)


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a death surfaced, and how often."""

    view: View | None
    """None where it fits none of them; the trial keeps what was seen instead."""
    exit_code: int | None = None
    """As the controller gave it, where it saw the pod."""
    count: int


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Durations of some trials, in seconds."""

    p50: float
    p95: float
    min: float
    max: float


class Measured(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the trials of a cell showed."""

    cell: Cell
    trials: int
    missed: int = 0
    """Strikes that did not happen, such as on a pod that did not start; they were repeated."""
    outcomes: tuple[Outcome, ...]
    decided: Spread | None = None
    """From the strike to the phase that shows the view."""
    running: Spread | None = None
    """From the strike until the container of the next attempt, or of the new pod, runs."""

    @property
    def settled(self) -> bool:
        """Whether the controller had shown the pods running for a while."""
        return self.cell.timing is Timing.SETTLED


class Seen(msgspec.Struct, frozen=True, array_like=True):
    """Something that the API showed in a trial."""

    at_s: float
    """From the strike."""
    attempt: int
    what: str
    """A phase of the vertex, or `pod N running` and the like."""
    message: str = ""


class Trial(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One strike and what came of it."""

    cell: str
    view: View | None
    exit_code: int | None = None
    decided_s: float | None = None
    running_s: float | None = None
    load: float
    """Processes that wanted a processor of the host, averaged over a minute."""
    seen: tuple[Seen, ...] = ()
    """Everything that was seen, where the view is none or something is missing."""


class Survey(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was measured, where and when."""

    schema: int = msgspec.field(default=SCHEMA)
    chaosml: str
    kubernetes: str
    kernel: str
    cpus: int
    began: str
    ended: str
    seed: int
    parallel: int
    cells: tuple[Measured, ...]
    trials: tuple[Trial, ...] = ()
    """Every trial in the order of its end; left out of the published summary."""


@functools.cache
def published() -> Sequence[Measured]:
    """Return the cells of the survey that chaosml was built with."""
    file = importlib.resources.files(__package__).joinpath("survey.json")
    return msgspec.json.decode(file.read_bytes(), type=Survey).cells
