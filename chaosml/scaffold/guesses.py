"""From what an execution wrote to an artifact contract: guesses, each with its reasons."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from chaosml.scaffold.keys import Family, families
from chaosml.scaffold.watched import Watched

__all__ = ["FORMATS", "WORDS", "ArtifactGuess", "format_of", "guess"]

FORMATS = {
    ".npz": "npz",
    ".safetensors": "safetensors",
    ".json": "json",
    ".pt": "torch",
    ".pth": "torch",
    ".ckpt": "torch",
    ".bin": "torch",
}
_DOCUMENTS = frozenset({".json", ".jsonl", ".txt", ".csv", ".tsv", ".yaml", ".yml", ".log", ""})
_DOCUMENT_BYTES_MAX = 64 << 10
WORDS = {
    "checkpoint": r"ckpt|checkpoint|snapshot|resume|(?<![a-z])state|optim",
    "marker": r"latest|marker|manifest|pointer|_success|complete|committed|(?<![a-z])(done|last)",
    "metrics": r"metric|eval|history|loss|scores?(?![a-z])|(?<![a-z])logs?(?![a-z])|report",
    "dataset": r"dataset|(?<![a-z])data(?![a-z])|corpus|samples|features",
    "model": r"model|weights|final|export|best",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactGuess:
    """One entry of the contract, and why it stands there."""

    role: str
    key: str
    format: str = "bytes"
    commit: str = "single-object"
    marker: str | None = None
    parts: tuple[str, ...] = ()
    final_step: int | None = None
    reasons: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    """What its reader should look at."""
    task: str = ""
    operation: str = "PutObject"
    """With which it was written last."""
    writes: int = 0
    names_step: bool = False


def guess(watched: Watched) -> list[ArtifactGuess]:
    """Return what an execution left, the checkpoints first."""
    found = families(watched.writes, watched.identity.values())
    states = [one for one in found if _role(one, found) == "checkpoint"]
    guesses: list[ArtifactGuess] = []
    markers: set[str] = set()
    for group in _grouped(states):
        one, used = _checkpoint(group, found)
        guesses.append(one)
        markers |= used
    others = [one for one in found if one not in states]
    for family in others:
        role = _role(family, found)
        entry = _other(family, role, found)
        if role in ("model", "dataset"):
            entry, used = _committed(entry, family, [one for one in others if one is not family])
            markers |= used
        guesses.append(entry)
    guesses = [one for one in guesses if one.key not in markers]
    order = ["checkpoint", "model", "marker", "manifest", "dataset", "metrics"]
    return sorted(guesses, key=lambda one: order.index(one.role))


def format_of(family: Family) -> tuple[str, tuple[str, ...]]:
    """Return the format that its bytes have, by name and as the audit could read them."""
    chosen = FORMATS.get(pathlib.PurePosixPath(family.last.key).suffix.lower(), "bytes")
    content = family.last.content
    if content is not None and content.problem and chosen != "bytes":
        return "bytes", (f"its name says {chosen}, but: {content.problem}",)
    return chosen, ()


def _is_document(family: Family) -> bool:
    suffix = pathlib.PurePosixPath(family.last.key).suffix.lower()
    sizes = [write.content.size for write in family.writes if write.content is not None]
    return suffix in _DOCUMENTS and max(sizes, default=0) <= _DOCUMENT_BYTES_MAX


def _says(family: Family, role: str) -> bool:
    return re.search(WORDS[role], family.last.key.lower()) is not None


def _role(family: Family, found: Sequence[Family]) -> str:
    if not _is_document(family):
        repeated = family.rewritten or family.numbered
        name = pathlib.PurePosixPath(family.last.key).name.lower()
        if not repeated and _says(family, "dataset") and not _says(family, "checkpoint"):
            return "dataset"
        only_once = not family.rewritten and re.search(WORDS["model"], name)
        if not repeated or only_once:
            saved_once = _says(family, "checkpoint") and not re.search(WORDS["model"], name)
            return "checkpoint" if saved_once else "model"
        return "checkpoint"
    return _role_of_document(family, found)


def _role_of_document(family: Family, found: Sequence[Family]) -> str:
    alone = all(_is_document(one) for one in found)
    name = pathlib.PurePosixPath(family.last.key).name.lower()
    if alone and re.search(WORDS["model"], name) and not family.rewritten:
        return "model"
    if alone and _says(family, "checkpoint") and not re.search(WORDS["marker"], name):
        return "checkpoint"
    if re.search(WORDS["marker"], name):
        return "marker"
    if _says(family, "metrics"):
        return "metrics"
    beside = any(one.rewritten and not _is_document(one) for one in found)
    return "marker" if family.rewritten and beside else "metrics"


def _grouped(states: Sequence[Family]) -> list[list[Family]]:
    """Put canonical keys together that are saved in turn: parts of one checkpoint."""
    groups: list[list[Family]] = []
    for family in states:
        for group in groups:
            same = len(group[0].writes) == len(family.writes)
            if same and group[0].canonical and family.canonical and family.rewritten:
                group.append(family)
                break
        else:
            groups.append([family])
    return groups


def _checkpoint(group: list[Family], found: Sequence[Family]) -> tuple[ArtifactGuess, set[str]]:
    """Return the guess of one checkpoint and the patterns of what commits it."""
    family = group[0]
    chosen, doubts = format_of(family)
    entry = ArtifactGuess(
        role="checkpoint",
        key=family.pattern,
        format=chosen,
        final_step=_last_step(family),
        reasons=(_rhythm(family), *_content_words(family)),
        doubts=doubts,
        task=family.last.task,
        operation=family.last.operation,
        writes=len(family.writes),
        names_step=all(family.step(write) is not None for write in family.writes),
    )
    documents = [one for one in found if one.canonical and _is_document(one) and one not in group]
    if family.canonical and family.rewritten:
        beside = [
            one
            for one in documents
            if len(one.writes) == len(family.writes) and _in_turn(family, one)
        ]
        parts = sorted([*group, *beside], key=lambda one: one.writes[0].at_s)
        if len(parts) > 1:
            return _in_place(entry, parts), {one.pattern for one in beside}
    return _committed(entry, family, [one for one in found if one not in group])


def _committed(
    entry: ArtifactGuess, family: Family, others: Iterable[Family]
) -> tuple[ArtifactGuess, set[str]]:
    """Return a guess with what commits its objects, and the pattern of that, if there is any."""
    for other in others:
        marker = _marker(family, other)
        if marker is not None:
            why = f"{marker} was written after it, and is taken for what commits it"
            reasons = (*entry.reasons, why)
            one = replace(entry, commit="marker-last", marker=marker, reasons=reasons)
            return one, {other.pattern}
    return entry, set()


def _in_place(entry: ArtifactGuess, parts: Sequence[Family]) -> ArtifactGuess:
    keys = tuple(one.last.key for one in parts)
    why = (
        f"{', '.join(keys)} are overwritten together by every save, so they are only right together"
    )
    return replace(
        entry,
        commit="in-place",
        parts=keys,
        reasons=(*entry.reasons, why),
        names_step=any(one.step(one.last) is not None for one in parts),
    )


def _marker(family: Family, other: Family) -> str | None:
    """Return the template of the key that commits the objects of a family, if `other` does."""
    if not _is_document(other) or not _in_turn(family, other):
        return None
    template = _template(family, other)
    if len(other.keys) == 1:
        content = other.last.content
        values = () if content is None else content.fields.values()
        names_it = other.last.key.endswith(".json") and family.last.key in values
        beside = pathlib.PurePosixPath(family.last.key).parent
        is_manifest = (
            len(family.keys) == 1
            and beside == pathlib.PurePosixPath(other.last.key).parent
            and re.search(WORDS["marker"], pathlib.PurePosixPath(other.last.key).name.lower())
        )
        return template if names_it or is_manifest else None
    expected = {_fill(template, family.groups(write.key)) for write in family.writes}
    return template if expected <= {write.key for write in other.writes} else None


def _template(family: Family, other: Family) -> str:
    """Return the key of the other's first object with the family's groups in their places."""
    key = other.writes[0].key
    groups = family.groups(family.writes[0].key)
    for name, text in sorted(groups.items(), key=lambda item: -len(item[1])):
        whole = rf"(?<![0-9A-Za-z]){re.escape(text)}(?![0-9A-Za-z])"
        key = re.sub(whole, f"{{{name}}}", key)
    return key


def _fill(template: str, groups: Mapping[str, str]) -> str:
    for name, text in groups.items():
        template = template.replace(f"{{{name}}}", text)
    return template


def _in_turn(first: Family, second: Family) -> bool:
    """Whether each write of the first is followed by one of the second before the next."""
    if abs(len(first.writes) - len(second.writes)) > 1:
        return False
    ends = [*(write.at_s for write in first.writes[1:]), float("inf")]
    return all(
        any(begin.at_s < write.at_s <= end for write in second.writes)
        for begin, end in zip(first.writes, ends, strict=True)
    )


def _other(family: Family, role: str, found: Sequence[Family]) -> ArtifactGuess:
    chosen, doubts = format_of(family)
    content = family.last.content
    step = None if content is None else content.step
    final = step if role == "model" and step is not None else None
    return ArtifactGuess(
        role=role,
        key=family.pattern,
        format=chosen,
        final_step=final,
        reasons=(_rhythm(family), *_content_words(family), *_place_in_time(family, role, found)),
        doubts=doubts,
        task=family.last.task,
        operation=family.last.operation,
        writes=len(family.writes),
        names_step=step is not None,
    )


def _place_in_time(family: Family, role: str, found: Sequence[Family]) -> Iterable[str]:
    after = all(one.last.at_s <= family.last.at_s for one in found if one is not family)
    if role == "model" and after:
        yield "the last object of all"
    elif role == "marker":
        yield "small, and by its name or its turn it points to something"


def _last_step(family: Family) -> int | None:
    steps = [step for write in family.writes if (step := family.step(write)) is not None]
    return max(steps, default=None)


def _rhythm(family: Family) -> str:
    writes = family.writes
    what = "once" if len(writes) == 1 else f"{len(writes)} times"
    under = "" if len(family.keys) == 1 else f" under {len(family.keys)} keys"
    every = ""
    if len(writes) > 1:
        gap_s = (writes[-1].at_s - writes[0].at_s) / (len(writes) - 1)
        every = f", every {gap_s:.2g} s" if gap_s < 10 else f", every {gap_s:.0f} s"
    size = writes[-1].content.size if writes[-1].content is not None else None
    sized = "" if size is None else f", {_bytes(size)}"
    by = f" by {writes[-1].task}" if writes[-1].task else ""
    return f"written {what}{under}{every}{sized}{by}"


def _bytes(size: int) -> str:
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("KB", 10**3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size} bytes"


def _content_words(family: Family) -> Iterable[str]:
    content = family.last.content
    if content is None:
        return
    named = [one for one in content.components if one not in ("unnamed", "document")]
    if named:
        yield f"holds {', '.join(named[:6])}"
    if content.step is not None:
        yield f"the last one says step {content.step}"
