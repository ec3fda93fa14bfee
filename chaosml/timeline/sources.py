"""Whether a source told everything: the condition under which absence means something.

A source is complete when it was opened and closed in order, and every number up
to its last is there once. In any other case an event that is not in the history
may still have happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = [
    "ARGO",
    "AUDIT",
    "CONTROL",
    "GATE",
    "HARNESS",
    "KUBELET",
    "METADATA",
    "Source",
    "SourceCounter",
    "describe_incomplete",
    "log_of",
]

HARNESS = "harness"
ARGO = "argo"
KUBELET = "kubelet"
GATE = "gate"
CONTROL = "control"
METADATA = "metadata"
AUDIT = "audit"

_MISSING_MAX = 1_000_000


def log_of(uid: str) -> str:
    """Return the name of the source that is the log of a pod."""
    return f"log/{uid}"


@dataclass(frozen=True, slots=True)
class Source:
    """What is known of a source after the whole history was read."""

    name: str
    opened: bool
    last: int | None
    """The number of the last event, where the source closed in order."""
    lost: str | None
    """Why its end is unknown, where that was said."""
    seen: int
    missing: int
    """Numbers up to the greatest one seen, or up to `last`, that are not there."""
    doubled: bool
    """A number came twice."""
    shuffled: bool
    """Numbers did not rise."""

    @property
    def is_complete(self) -> bool:
        """Whether what this source did not say did not happen."""
        return (
            self.opened
            and self.last is not None
            and self.lost is None
            and self.missing == 0
            and self.seen == self.last
            and not self.doubled
        )

    @property
    def why_incomplete(self) -> str:
        """The reason in a few words; empty where it is complete."""
        if self.is_complete:
            return ""
        if self.missing:
            return f"{self.name} lacks {self.missing} events"
        if self.lost is not None:
            return f"{self.name} was lost: {self.lost}"
        if self.last is None:
            return f"{self.name} was never closed"
        return f"{self.name} is inconsistent"


def describe_incomplete(sources: Mapping[str, Source], names: tuple[str, ...]) -> str:
    """Return why the sources called `names` cannot prove an absence; empty if they can."""
    reasons = [
        sources[name].why_incomplete if name in sources else f"{name} never reported"
        for name in names
    ]
    return "; ".join(reason for reason in reasons if reason)


@dataclass(slots=True)
class SourceCounter:
    """Counts the numbers of a source while the history streams past."""

    name: str
    expected: int = 1
    seen: int = 0
    opened: bool = False
    last: int | None = None
    lost: str | None = None
    doubled: bool = False
    shuffled: bool = False
    missing: set[int] = field(default_factory=set)
    beyond_count: int = 0
    """Missing numbers that were too many to remember one by one."""

    def jump(self, number: int) -> None:
        """Take a number that is not the expected one."""
        if number < self.expected:
            self.shuffled = True
            if number in self.missing:
                self.missing.discard(number)
            else:
                self.doubled = True
            return
        gap = number - self.expected
        if gap + len(self.missing) <= _MISSING_MAX:
            self.missing.update(range(self.expected, number))
        else:
            self.beyond_count += gap
        self.expected = number + 1

    def freeze(self) -> Source:
        """Return what is known at the end of the history."""
        tail = 0 if self.last is None else max(0, self.last - (self.expected - 1))
        return Source(
            name=self.name,
            opened=self.opened,
            last=self.last,
            lost=self.lost,
            seen=self.seen,
            missing=len(self.missing) + self.beyond_count + tail,
            doubled=self.doubled,
            shuffled=self.shuffled,
        )
