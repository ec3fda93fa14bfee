r"""Families of keys: the same name but for a step, a digest, or the run's own identity.

train/ckpt/step-000010.npz, train/ckpt/step-000020.npz  ─►  train/ckpt/step-(?P<step>\d+)\.npz
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from chaosml.scaffold.watched import Write

__all__ = ["Family", "families"]

_HEX = r"(?=[0-9a-f]*[a-f])(?=[0-9a-f]*\d)[0-9a-f]{8,64}"
_TOKEN = re.compile(rf"(?<![0-9A-Za-z])(?:{_HEX})(?![0-9A-Za-z])|\d+")
_COUNTERS = ("global_step", "step", "iteration", "iter", "update", "batch", "epoch")
"""What stands before a number of steps, the likeliest first."""
_OWN = "\0"
"""Stands for what is another text in each execution."""
_SURELY_HASH = 12
"""So many hexadecimal digits are no word and no number of a version."""
_SHARD = re.compile(r"\d+-of-\d+")


@dataclass(frozen=True, slots=True)
class Family:
    """Keys that differ in numbers and digests alone, with their writes in order of time."""

    pattern: str
    """Regular expression for the whole key."""
    writes: tuple[Write, ...]
    numbered: bool
    """Whether a group of the pattern is the step."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Its keys, each once, in order of their first write."""
        return tuple(dict.fromkeys(write.key for write in self.writes))

    @property
    def canonical(self) -> bool:
        """Whether every write replaces the one before."""
        return len(self.keys) == 1 and not self.numbered

    @property
    def last(self) -> Write:
        """Its last write."""
        return self.writes[-1]

    @property
    def rewritten(self) -> bool:
        """Whether it was written several times."""
        return len(self.writes) > 1

    def groups(self, key: str) -> Mapping[str, str]:
        """Return the texts of the named groups in a key."""
        found = re.fullmatch(self.pattern, key)
        return {} if found is None else found.groupdict()

    def step(self, write: Write) -> int | None:
        """Return the step that a write names, by its content or its key."""
        if write.content is not None and write.content.step is not None:
            return write.content.step
        text = self.groups(write.key).get("step", "")
        return int(text) if text.isdecimal() else None


def families(writes: Sequence[Write], identity: Iterable[str]) -> list[Family]:
    """Return the families of what was written, in order of their first write.

    Args:
        writes: What was written.
        identity: Texts that are other ones in each execution.
    """
    own = sorted(filter(None, identity), key=len, reverse=True)
    found: dict[str, list[Write]] = {}
    for write in writes:
        found.setdefault(_TOKEN.sub(_kind, _without(write.key, own)), []).append(write)
    return [_family(group, own) for group in found.values()]


def _without(key: str, own: Sequence[str]) -> str:
    for text in own:
        key = key.replace(text, _OWN)
    return key


def _kind(token: re.Match[str]) -> str:
    return "\1" if token[0].isdecimal() else f"\2{len(token[0])}"


def _family(writes: list[Write], own: Sequence[str]) -> Family:
    """Return the family of writes whose keys have the same tokens."""
    keys = list(dict.fromkeys(write.key for write in writes))
    split = [_split(_without(key, own)) for key in keys]
    varying = {
        place for place in range(1, len(split[0]), 2) if len({parts[place] for parts in split}) > 1
    }
    step = _step_place(split, varying)
    digests = {text for write in writes for text in _digests(write)}
    pattern = _Pattern()
    for place, part in enumerate(split[0]):
        if place % 2 == 0:
            pattern.literal(part)
        elif place == step:
            pattern.group("step", r"\d+")
        elif part.isdecimal():
            pattern.text(r"\d+" if place in varying else part)
        else:
            stated = all(any(one.startswith(parts[place]) for one in digests) for parts in split)
            if stated or place in varying or len(part) >= _SURELY_HASH:
                pattern.group("digest" if stated else "hash", f"[0-9a-f]{{{len(part)}}}")
            else:
                pattern.text(part)
    return Family(str(pattern), tuple(writes), step is not None)


class _Pattern:
    """A regular expression in the making; each name is given once."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._names: set[str] = set()

    def __str__(self) -> str:
        return "".join(self._pieces)

    def text(self, source: str) -> None:
        self._pieces.append(source)

    def group(self, name: str, inside: str) -> None:
        self.text(inside if name in self._names else f"(?P<{name}>{inside})")
        self._names.add(name)

    def literal(self, text: str) -> None:
        """Add what stands there in every execution, around what is each one's own."""
        for number, part in enumerate(text.split(_OWN)):
            if number:
                self.group("run", "[^/]+")
            self.text(re.escape(part).replace("\\-", "-"))


def _split(key: str) -> list[str]:
    """Return texts and tokens in turn, a text first."""
    parts, end = [], 0
    for token in _TOKEN.finditer(key):
        parts += [key[end : token.start()], token[0]]
        end = token.end()
    return [*parts, key[end:]]


def _step_place(split: Sequence[list[str]], varying: set[int]) -> int | None:
    """Return the place of the number of the step; None where there is none."""
    numbers = [
        place
        for place in range(1, len(split[0]), 2)
        if all(parts[place].isdecimal() for parts in split) and not _is_shard(split[0], place)
    ]
    for word in _COUNTERS:
        for place in numbers:
            if split[0][place - 1].lower().rstrip("-_=/ ").endswith(word):
                return place
    rising = [place for place in numbers if place in varying and _rises(split, place)]
    return rising[-1] if rising else None


def _is_shard(parts: list[str], place: int) -> bool:
    """Whether it is one of the numbers in `00001-of-00004`."""
    after = "".join(parts[place : place + 3])
    before = "".join(parts[max(0, place - 2) : place + 1])
    return bool(_SHARD.match(after) or _SHARD.search(before))


def _rises(split: Sequence[list[str]], place: int) -> bool:
    numbers = [int(parts[place]) for parts in split]
    return numbers == sorted(numbers)


def _digests(write: Write) -> Iterable[str]:
    if write.content is None:
        return ()
    return filter(None, (write.content.digest, write.content.sha256))
