"""Containers of an Argo document, and what Kubernetes lets one say about them."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from chaosml.workflow.objects import AnyString, ArgoObject

__all__ = [
    "Container",
    "ContainerBase",
    "EmptyDirVolume",
    "EnvVar",
    "EnvVarSource",
    "ExecAction",
    "FieldRef",
    "Lifecycle",
    "PreStop",
    "Resources",
    "Script",
    "SecretKeyRef",
    "VolumeMount",
]


class SecretKeyRef(ArgoObject):
    """One key of a Secret."""

    kind_of_object = "secret reference"

    name: str
    key: str


class FieldRef(ArgoObject):
    """One field of the pod."""

    kind_of_object = "field reference"

    field_path: str


class EnvVarSource(ArgoObject):
    """Where the value of an environment variable comes from; exactly one of the two."""

    kind_of_object = "environment source"

    secret_key_ref: SecretKeyRef | None = None
    field_ref: FieldRef | None = None


class EnvVar(ArgoObject):
    """One environment variable of a container."""

    kind_of_object = "environment variable"

    name: Annotated[str, Field(min_length=1)]
    value: str | None = None
    value_from: EnvVarSource | None = None


class VolumeMount(ArgoObject):
    """Where a container sees a volume."""

    kind_of_object = "volume mount"

    name: str
    mount_path: str


class EmptyDirVolume(ArgoObject):
    """A volume that is fresh and empty for every pod."""

    kind_of_object = "volume"

    name: str
    empty_dir: dict[Literal["medium", "sizeLimit"], Any]


class ExecAction(ArgoObject):
    """A command that is run inside a container."""

    kind_of_object = "exec action"

    command: Annotated[tuple[str, ...], Field(min_length=1)]


class PreStop(ArgoObject):
    """What runs before a pod is asked to end, inside its grace period."""

    kind_of_object = "preStop"

    exec: ExecAction


class Lifecycle(ArgoObject):
    """Hooks of a container."""

    kind_of_object = "lifecycle"

    pre_stop: PreStop | None = None


_CPU = r"^([0-9]+(\.[0-9]+)?|\.[0-9]+)m?$"


class Resources(ArgoObject):
    """What a container asks for. Only `cpu` has an effect: it is what waste is counted in."""

    kind_of_object = "resources"

    requests: dict[str, AnyString] = {}
    limits: dict[str, AnyString] = {}

    @model_validator(mode="after")
    def _check_cpu(self) -> Resources:
        for amounts in (self.requests, self.limits):
            amount = amounts.get("cpu")
            if amount is not None and not re.match(_CPU, amount):
                raise PydanticCustomError(
                    "cpu", "cpu {amount} is no quantity such as 2 or 500m", {"amount": repr(amount)}
                )
        return self

    @property
    def requested_cpu(self) -> float | None:
        """Processors requested; a limit without a request is the request, as in Kubernetes."""
        amount = self.requests.get("cpu", self.limits.get("cpu"))
        if amount is None:
            return None
        return float(amount[:-1]) / 1000 if amount.endswith("m") else float(amount)


class ContainerBase(ArgoObject):
    """What containers and scripts have in common."""

    kind_of_object = "container"

    name: str | None = None
    image: str
    command: Annotated[tuple[str, ...], Field(min_length=1)]
    args: tuple[str, ...] = ()
    env: tuple[EnvVar, ...] = ()
    working_dir: str | None = None
    volume_mounts: tuple[VolumeMount, ...] = ()
    lifecycle: Lifecycle | None = None
    resources: Resources = Resources()

    @property
    def pre_stop(self) -> tuple[str, ...] | None:
        """Command of the preStop hook."""
        if self.lifecycle is None or self.lifecycle.pre_stop is None:
            return None
        return self.lifecycle.pre_stop.exec.command


class Container(ContainerBase):
    """The main container of a pod."""


class Script(ContainerBase):
    """A container whose last argument is a file with this source."""

    source: str
