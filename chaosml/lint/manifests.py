"""The manifest of a resource template: an object that Argo creates and may watch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from chaosml.lint.argo import Manifest, Template
from chaosml.lint.part import Part

__all__ = ["LONG_RUNNING", "Resource", "resources"]

LONG_RUNNING = re.compile(
    r"\bkind:\s*['\"]?(Job|JobSet|MPIJob|PaddleJob|PyTorchJob|RayCluster|RayJob|SparkApplication"
    r"|TFJob|TrainJob|XGBoostJob)\b"
)
"""Kinds of objects that stand for work of some duration."""
_GENERATED = re.compile(r"\bgenerateName['\"]?:")
_SPEC = re.compile(r"(?m)^['\"]?spec['\"]?:")


@dataclass(frozen=True, slots=True)
class Resource:
    """What a resource template does with which object."""

    template: Template
    part: Part

    @property
    def manifest(self) -> Part:
        """The object's text, which may hold variables and is no YAML then."""
        return self.part.at("manifest")

    @property
    def action(self) -> str:
        """The verb, such as `create` or `apply`."""
        return self.part.at("action").text

    @property
    def kind(self) -> str:
        """The kind of the object where it is one of `LONG_RUNNING`; else empty."""
        found = LONG_RUNNING.search(self.manifest.text)
        return found[1] if found is not None else ""

    @property
    def is_named_anew(self) -> bool:
        """Whether every creation gives another object."""
        # What stands in the object's spec names the pods that it makes.
        return _GENERATED.search(_SPEC.split(self.manifest.text, maxsplit=1)[0]) is not None


def resources(manifest: Manifest) -> Iterator[Resource]:
    """Yield the resource templates of a document."""
    for template in manifest.templates:
        if template.kind == "resource":
            yield Resource(template, template.part.at("resource"))
