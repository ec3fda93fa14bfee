"""What a cluster of ours is made of: names, images, files; official ones by default."""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import pathlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from chaosml.errors import UsageError

__all__ = [
    "ARGO_VERSION",
    "CLUSTER_NAME",
    "NAMESPACE",
    "NODE_IMAGE",
    "REFERENCE_IMAGE",
    "TOXIPROXY_IMAGE",
    "ClusterOptions",
    "checkout_file",
    "parse_version",
    "services_image",
]

CLUSTER_NAME = "chaosml"
NAMESPACE = "chaosml"
NODE_IMAGE = "kindest/node:v1.34.4"
ARGO_VERSION = "v4.0.5"
TOXIPROXY_IMAGE = "ghcr.io/shopify/toxiproxy:2.12.0"
REFERENCE_IMAGE = "ghcr.io/chaosml/reference:0.1"
"""What the reference pipelines name; on kind it is our own image under this name."""

_OLDEST_ARGO = (3, 6)
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_VERSION = re.compile(r"v(\d+)\.(\d+)\.(\d+)(?:-[\w.]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterOptions:
    """What `up` makes.

    None always means: whatever the cluster has already, else the official default. So
    a cluster is replaced or its Argo exchanged only where an option asks for it.
    """

    name: str = CLUSTER_NAME
    namespace: str = NAMESPACE
    """Where runs happen; it is created and opened for them."""
    config: pathlib.Path | None = None
    """A kind configuration; the default is `kind-config.yaml` of chaosml."""
    node_image: str | None = None
    argo_version: str | None = None
    argo_controller_image: str | None = None
    argo_executor_image: str | None = None
    argo_manifest: pathlib.Path | None = None
    """Instead of our own manifest; it must hold the Deployment `workflow-controller`."""
    argo_environment: Mapping[str, str] | None = None
    """Variables of the controller, such as `ARGO_POD_STATUS_CAPTURE_FINALIZER: "true"`."""
    image: str | None = None
    """Image with the services and the reference steps; by default it is built from this
    installation and loaded into the nodes."""
    toxiproxy_image: str = TOXIPROXY_IMAGE
    keep: bool = False
    """Whether `borrowed` leaves a cluster there that it made."""

    def __post_init__(self) -> None:
        for what, value in (("name", self.name), ("namespace", self.namespace)):
            if not _NAME.fullmatch(value):
                raise UsageError(
                    f"cluster {what} {value!r}: must be lower-case letters, digits and dashes, "
                    "at most 40, such as chaosml"
                )
        if self.argo_version is not None:
            self._check_version(self.argo_version)
        for path in (self.config, self.argo_manifest):
            if path is not None and not path.is_file():
                raise UsageError(f"{path}: no such file")

    @staticmethod
    def _check_version(version: str) -> None:
        found = parse_version(version)
        if found is None:
            raise UsageError(f"Argo version {version!r}: must look like {ARGO_VERSION}")
        if found < _OLDEST_ARGO:
            raise UsageError(f"Argo version {version}: too old; v3.6 or newer is needed")

    @property
    def names_argo(self) -> bool:
        """Whether any option says which Argo is wanted."""
        return any(
            value is not None
            for value in (
                self.argo_version,
                self.argo_controller_image,
                self.argo_executor_image,
                self.argo_manifest,
                self.argo_environment,
            )
        )

    @property
    def config_file(self) -> pathlib.Path:
        """The kind configuration to make a cluster from."""
        return self.config if self.config is not None else checkout_file("kind-config.yaml")


def parse_version(version: str) -> tuple[int, int, int] | None:
    """Return the numbers of a version such as v4.0.5; None if it is none."""
    found = _VERSION.fullmatch(version)
    return None if found is None else (int(found[1]), int(found[2]), int(found[3]))


def services_image() -> str:
    """Return the name of the image of this version of chaosml."""
    return f"chaosml/services:{importlib.metadata.version('chaosml')}"


def checkout_file(name: str) -> pathlib.Path:
    """Return a file of the top of the source tree; a wheel carries a copy in `cluster/checkout`.

    Raises:
        UsageError: neither is there.
    """
    package = pathlib.Path(str(importlib.resources.files("chaosml")))
    for place in (package.parent, package / "cluster" / "checkout"):
        if (place / "pyproject.toml").is_file() and (place / name).is_file():
            return place / name
    raise UsageError(f"{name} is missing from this installation of chaosml: install it again")
