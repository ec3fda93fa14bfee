"""What Kubernetes makes of a template's pod: its grace period, and whose nodes it runs on."""

from __future__ import annotations

import enum
import json
import pathlib
import re
from dataclasses import dataclass
from typing import Any

from chaosml.document import parse
from chaosml.errors import ScenarioError
from chaosml.lint.argo import Manifest, Template
from chaosml.lint.part import Part

__all__ = [
    "DEFAULT_GRACE_S",
    "GRACE_KEY",
    "Grace",
    "Provider",
    "grace_of",
    "patch",
    "patches",
    "provider_of",
]

DEFAULT_GRACE_S = 30
"""What Kubernetes grants between SIGTERM and SIGKILL where nobody says anything."""
GRACE_KEY = "terminationGracePeriodSeconds"
_GRACE_ANYWHERE = re.compile(GRACE_KEY)
_LABELS = re.compile(
    r"cloud\.google\.com/gke-(?P<gke>spot|preemptible|provisioning)"
    r"|(?P<azure>kubernetes\.azure\.com/scalesetpriority)"
    r"|(?P<aws>eks\.amazonaws\.com/capacityType|karpenter\.sh/capacity-type)"
)


class Provider(enum.Enum):
    """Whose interruptible nodes a pod asks for, with the notice that they give."""

    GKE = "GKE"
    """15 s for pods of users, whatever they ask for."""
    AWS = "AWS"
    """120 s."""
    AZURE = "Azure"
    """30 s at least."""


@dataclass(frozen=True, slots=True)
class Grace:
    """The grace period that a pod asks for."""

    part: Part
    """The `podSpecPatch` that says it."""
    seconds: int | None
    """None where it is a variable."""


def grace_of(template: Template) -> Grace | None:
    """Return the grace period that holds for a template; None where it is Kubernetes' own."""
    for part in (template.setting("podSpecPatch"), template.manifest.spec.at("podSpecPatch")):
        if not _GRACE_ANYWHERE.search(part.text):
            continue
        patched = patch(part.text)
        seconds = patched.get(GRACE_KEY) if patched is not None else None
        if isinstance(seconds, int) and not isinstance(seconds, bool):
            return Grace(part, seconds)
        return Grace(part, None)
    return None


def patch(text: str) -> dict[str, Any] | None:
    """Return the mapping that a `podSpecPatch` is; None where it cannot be read as one."""
    try:
        return parse(text, pathlib.Path("podSpecPatch")).data
    except ScenarioError:
        return None


def provider_of(template: Template) -> Provider | None:
    """Return whose interruptible nodes a template asks for by name; None where it does not say."""
    wishes = [template.pod_setting(key).value for key in ("nodeSelector", "tolerations")]
    wishes.append(template.pod_setting("affinity").value)
    return _provider_in(json.dumps(wishes, default=str))


def _provider_in(wishes: str) -> Provider | None:
    found = _LABELS.search(wishes)
    if found is None:
        return None
    if found["gke"]:
        return Provider.GKE if found["gke"] != "provisioning" or "spot" in wishes else None
    if found["azure"]:
        return Provider.AZURE if "spot" in wishes else None
    return Provider.AWS if "spot" in wishes.lower() else None


def patches(manifest: Manifest) -> tuple[Part, ...]:
    """Return every `podSpecPatch` of a document."""
    places = [
        manifest.spec.at("podSpecPatch"),
        manifest.spec.at("templateDefaults", "podSpecPatch"),
    ]
    places += [template.part.at("podSpecPatch") for template in manifest.templates]
    return tuple(place for place in places if place.exists)
