"""The artifact contract, compiled: what a key of the bucket is, and what it must hold.

A key is an artifact's object, one of its parts, the marker that commits it, an
entry of the registry, or nothing that the contract knows. A key whose pattern has
neither a `step` nor a `digest` group is canonical: the same name for every state,
so whoever writes it replaces what others read. Any other key is immutable.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from chaosml.errors import UsageError
from chaosml.scenario.model import Artifact, Scenario

__all__ = ["Classified", "CompiledArtifact", "Contract", "Kind"]

_IDENTIFYING = frozenset({"step", "digest"})
_HOLE = re.compile(r"\{([A-Za-z_]\w*)\}")
_PARAMETER = re.compile(r"\{\{\s*(?:workflow\.)?parameters\.([^\s{}]+)\s*\}\}")
_FORMAT_BY_SUFFIX = {
    "json": "json",
    "npz": "npz",
    "pt": "torch",
    "pth": "torch",
    "safetensors": "safetensors",
}


class Kind(enum.Enum):
    """What a key is to the contract."""

    OBJECT = "object"
    PART = "part"
    MARKER = "marker"
    REGISTRY = "registry"


@dataclass(frozen=True, slots=True)
class CompiledArtifact:
    """One entry of `pipeline.artifacts`, ready to be asked about keys."""

    artifact: Artifact
    key: re.Pattern[str]
    final_step: int | None = None
    marker: re.Pattern[str] | None = None
    parts: tuple[re.Pattern[str], ...] = ()

    @property
    def role(self) -> str:
        """Checkpoint, model, marker, manifest, dataset or metrics."""
        return self.artifact.role

    @property
    def is_canonical(self) -> bool:
        """Whether every state has the same key, so that a write replaces the one before."""
        return self.artifact.commit == "in-place" or not (_IDENTIFYING & self.key.groupindex.keys())

    def marker_key(self, groups: Mapping[str, str]) -> str | None:
        """Return the key of the marker that commits the object with these groups, if it has one."""
        return None if self.artifact.marker is None else _fill(self.artifact.marker, groups)

    def part_keys(self, groups: Mapping[str, str]) -> tuple[str, ...]:
        """Return the keys that are only right together, in the order of writing."""
        return tuple(_fill(part, groups) for part in self.artifact.parts)


@dataclass(frozen=True, slots=True)
class Classified:
    """What a key is, of which artifact (None: a registry entry), with the named groups in it."""

    kind: Kind
    artifact: CompiledArtifact | None
    format: str
    groups: Mapping[str, str] = field(default_factory=dict)

    @property
    def role(self) -> str:
        """The role that `ArtifactObserved` shows: a part has its artifact's."""
        if self.kind in {Kind.MARKER, Kind.REGISTRY} or self.artifact is None:
            return self.kind.value
        return self.artifact.role

    @property
    def step(self) -> int | None:
        """The step that the key names, if it names one."""
        text = self.groups.get("step", "")
        return int(text) if text.isascii() and text.isdigit() else None


@dataclass(frozen=True, slots=True)
class Contract:
    """All artifacts of a pipeline and the pattern of its registry entries."""

    artifacts: tuple[CompiledArtifact, ...] = ()
    registry: re.Pattern[str] | None = None

    @classmethod
    def compile(cls, scenario: Scenario, parameters: Mapping[str, str]) -> Contract:
        """Compile the contract of a scenario's pipeline.

        Args:
            scenario: The scenario.
            parameters: The workflow's parameters as they are submitted, defaults included.

        Raises:
            UsageError: a pattern is no regular expression, or a final step no number.
        """
        pipeline = scenario.pipeline
        registry = None
        if pipeline.registry is not None:
            registry = _pattern(pipeline.registry, "pipeline.registry")
        return cls(
            tuple(
                _compile(artifact, parameters, f"pipeline.artifacts[{place}]")
                for place, artifact in enumerate(pipeline.artifacts)
            ),
            registry,
        )

    def classify(self, key: str) -> Classified | None:
        """Return what `key` is, or None where the contract does not know it.

        A marker or part is one even if the pattern of an artifact matches its key too; of
        several artifacts that match, the first counts.
        """
        for kind, patterns in (
            (Kind.MARKER, [(artifact, artifact.marker) for artifact in self.artifacts]),
            (
                Kind.PART,
                [(artifact, part) for artifact in self.artifacts for part in artifact.parts],
            ),
            (Kind.OBJECT, [(artifact, artifact.key) for artifact in self.artifacts]),
        ):
            for artifact, pattern in patterns:
                found = pattern.fullmatch(key) if pattern else None
                if found:
                    return Classified(kind, artifact, _format(kind, artifact, key), _groups(found))
        found = self.registry.fullmatch(key) if self.registry else None
        return Classified(Kind.REGISTRY, None, "json", _groups(found)) if found else None


def _compile(artifact: Artifact, parameters: Mapping[str, str], where: str) -> CompiledArtifact:
    key = _pattern(artifact.key, f"{where}.key")
    return CompiledArtifact(
        artifact=artifact,
        key=key,
        final_step=_final_step(artifact.final_step, parameters, f"{where}.final-step"),
        marker=(
            None
            if artifact.marker is None
            else _template_pattern(artifact.marker, key, f"{where}.marker")
        ),
        parts=tuple(_template_pattern(part, key, f"{where}.parts") for part in artifact.parts),
    )


def _pattern(source: str, where: str) -> re.Pattern[str]:
    try:
        return re.compile(source)
    except re.error as error:
        raise UsageError(f"{where}: {source!r} is no regular expression: {error}") from error


def _final_step(source: str | None, parameters: Mapping[str, str], where: str) -> int | None:
    if source is None:
        return None

    def value(found: re.Match[str]) -> str:
        name = found.group(1)
        if name not in parameters:
            known = ", ".join(sorted(parameters)) or "none"
            raise UsageError(
                f"{where}: {source!r} names the parameter {name!r}, which the workflow does not "
                f"have (it has: {known})"
            )
        return parameters[name]

    filled = _PARAMETER.sub(value, source).strip()
    if not (filled.isascii() and filled.isdigit()):
        raise UsageError(f"{where}: {source!r} is {filled!r} here; needs the number of a step")
    return int(filled)


def _fill(template: str, groups: Mapping[str, str]) -> str:
    return _HOLE.sub(lambda hole: groups[hole.group(1)], template)


def _template_pattern(template: str, key: re.Pattern[str], where: str) -> re.Pattern[str]:
    """Return the pattern of the keys that `template` gives for keys that match `key`."""
    pieces: list[str] = []
    end = 0
    named: set[str] = set()
    for hole in _HOLE.finditer(template):
        name = hole.group(1)
        if name not in key.groupindex:
            raise UsageError(
                f"{where}: {template!r} names {{{name}}}, a group that the key has not"
            )
        pieces.append(re.escape(template[end : hole.start()]))
        pieces.append(f"(?P={name})" if name in named else f"(?P<{name}>{_group(key, name)})")
        named.add(name)
        end = hole.end()
    pieces.append(re.escape(template[end:]))
    return _pattern("".join(pieces), where)


def _group(key: re.Pattern[str], name: str) -> str:
    """Return what the group `name` of `key` may be, as the source of a regular expression."""
    start = key.pattern.index(f"(?P<{name}>") + len(f"(?P<{name}>")
    # The group's own text if it stands alone; one with groups or references in it does not.
    inner = re.match(
        r"(?:[^()\[\]\\]|\\[^\d]|\[\^?\]?(?:[^\]\\]|\\.)*\])*(?=\))", key.pattern[start:]
    )
    return inner.group() if inner else "[^/]+"


def _format(kind: Kind, artifact: CompiledArtifact, key: str) -> str:
    if kind is Kind.OBJECT or (kind is Kind.PART and artifact.key.fullmatch(key)):
        return artifact.artifact.format
    return _FORMAT_BY_SUFFIX.get(key.rpartition(".")[2].lower(), "bytes")


def _groups(found: re.Match[str]) -> dict[str, str]:
    return {name: text for name, text in found.groupdict().items() if text is not None}
