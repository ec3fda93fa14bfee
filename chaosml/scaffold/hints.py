"""Artifacts that the text of a workflow hints at: its arguments, variables and scripts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from chaosml.scaffold.guesses import FORMATS, WORDS, ArtifactGuess

__all__ = ["hint"]

_SUFFIXES = "npz|safetensors|jsonl?|pth?|ckpt|bin|csv|parquet|onnx"
_TAG = r"\{\{[^{}]*\}\}"
_FILE = re.compile(
    rf"(?:s3://(?:{_TAG}|[^/\s'\"{{}}])+/)?((?:{_TAG}|[\w./=+-])*\.(?:{_SUFFIXES}))(?![\w.])"
)
_OPTION = re.compile(r"(?<!\S)--?[\w-]+=")
_PREFIX = re.compile(rf"s3://(?:{_TAG}|[^/\s'\"{{}}])+/((?:{_TAG}|[\w./=+-])+)")


def hint(texts: Iterable[tuple[str, str]]) -> list[ArtifactGuess]:
    """Return what texts of tasks name that looks like objects of the bucket.

    Args:
        texts: Names of tasks with what their containers are told.
    """
    found: dict[str, ArtifactGuess] = {}
    for task, text in texts:
        for key, suffix in _keys(text):
            role = _role(key)
            if role is not None:
                pattern = _pattern(key)
                guess = ArtifactGuess(
                    role=role,
                    key=pattern if suffix else pattern.rstrip("/") + "/.+",
                    format=FORMATS.get(suffix, "bytes"),
                    reasons=(f"task {task} is told {key!r}; nothing was watched",),
                    task=task,
                )
                found.setdefault(guess.key, guess)
    order = list(WORDS)
    return sorted(found.values(), key=lambda one: order.index(one.role))


def _keys(text: str) -> Iterator[tuple[str, str]]:
    """Yield keys with their suffix; one that is a beginning of keys has none."""
    text = _OPTION.sub("", text)
    files = [one[1] for one in _FILE.finditer(text) if not one[1].startswith("/")]
    for key in files:
        yield key, "." + key.rpartition(".")[2].lower()
    for one in _PREFIX.finditer(text):
        if one[1] not in files:
            yield one[1], ""


def _role(key: str) -> str | None:
    for role, words in WORDS.items():
        if re.search(words, re.sub(_TAG, "", key).lower()):
            return role
    return None


def _pattern(key: str) -> str:
    """Return the regular expression of a key; what Argo fills in may be anything there."""
    parts = re.split(f"({_TAG})", key)
    return "".join(
        "[^/]+" if part.startswith("{{") else re.escape(part).replace("\\-", "-") for part in parts
    )
