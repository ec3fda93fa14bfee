"""Docker, by its command: is it there, the containers of a kind cluster, images."""

from __future__ import annotations

import json
import pathlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chaosml.cluster.program import Outcome, Tell, call
from chaosml.errors import SubstrateError

__all__ = [
    "Container",
    "build",
    "cluster_containers",
    "has_image",
    "image_label",
    "in_container",
    "kill",
    "prune",
    "restart",
    "server_version",
]

_CLUSTER_LABEL = "io.x-k8s.kind.cluster"
_ROLE_LABEL = "io.x-k8s.kind.role"
_QUICK_S = 30.0
_BUILD_S = 900.0
_RESTART_S = 60.0
_PRUNE_S = 120.0

_INSTALL = "install it (https://docs.docker.com/engine/install/; Debian: apt-get install docker.io)"
_START = "start it (systemctl start docker, or Docker Desktop)"
_JOIN = "add yourself to its group (sudo usermod -aG docker $USER) and log in again"


@dataclass(frozen=True, slots=True)
class Container:
    """A kind node as Docker sees it."""

    name: str
    role: str
    image: str
    running: bool


def server_version() -> str:
    """Return the version of the Docker engine.

    Raises:
        SubstrateError: there is none, it does not run, or we may not use it.
    """
    if shutil.which("docker") is None:
        raise SubstrateError(f"Docker is not installed: {_INSTALL}")
    asked = _docker(["version", "--format", "{{.Server.Version}}"], "asking Docker its version")
    if asked.code == 0:
        return asked.stdout.strip()
    if "permission denied" in asked.stderr.lower():
        raise SubstrateError(f"Docker refuses you ({asked.complaint}): {_JOIN}")
    raise SubstrateError(f"Docker does not run ({asked.complaint}): {_START}")


def cluster_containers(cluster: str) -> tuple[Container, ...]:
    """Return the nodes of a kind cluster, running or not, by name."""
    what = f"listing the nodes of cluster {cluster}"
    columns = f'{{{{.Names}}}}\t{{{{.Label "{_ROLE_LABEL}"}}}}\t{{{{.Image}}}}\t{{{{.State}}}}'
    listed = _docker(
        ["ps", "--all", "--filter", f"label={_CLUSTER_LABEL}={cluster}", "--format", columns], what
    ).expect(what)
    rows = [line.split("\t") for line in listed.splitlines()]
    return tuple(
        sorted(
            (Container(name, role, image, state == "running") for name, role, image, state in rows),
            key=lambda container: container.name,
        )
    )


def restart(container: str) -> Outcome:
    """Start a container, whether it runs already or not."""
    what = f"restarting node {container}"
    return _docker(["restart", "-t", "5", container], what, _RESTART_S)


def kill(container: str) -> Outcome:
    """Kill a container: every process in it is dead when this returns."""
    return _docker(["kill", container], f"killing node {container}")


def in_container(container: str, arguments: Sequence[str], what: str, limit_s: float) -> Outcome:
    """Run a program in a container."""
    return _docker(["exec", container, *arguments], what, limit_s)


def has_image(image: str) -> bool:
    """Return whether Docker on this machine has an image."""
    return _docker(["image", "inspect", image], f"looking for image {image}").code == 0


def image_label(image: str, label: str) -> str | None:
    """Return a label of an image; None if the image or the label is not there."""
    seen = _docker(["image", "inspect", image], f"looking for image {image}")
    if seen.code != 0:
        return None
    labels = json.loads(seen.stdout)[0]["Config"]["Labels"] or {}
    value = labels.get(label)
    return value if isinstance(value, str) else None


def build(
    context: pathlib.Path,
    tags: Sequence[str],
    labels: Mapping[str, str],
    each_line: Tell,
) -> None:
    """Build an image from a folder with a Dockerfile.

    Raises:
        SubstrateError: the build failed; the message ends with the builder's last words.
    """
    what = f"building image {tags[0]}"
    arguments = ["docker", "build"]
    for tag in tags:
        arguments += ["--tag", tag]
    for name, value in labels.items():
        arguments += ["--label", f"{name}={value}"]
    call([*arguments, str(context)], what=what, limit_s=_BUILD_S, each_line=each_line).expect(what)


def prune(label: str) -> None:
    """Remove the images with a label that have lost their name to a newer build.

    Raises:
        SubstrateError: Docker could not.
    """
    what = "removing images of earlier builds"
    arguments = ["image", "prune", "--force", "--filter", f"label={label}"]
    _docker(arguments, what, _PRUNE_S).expect(what)


def _docker(arguments: Sequence[str], what: str, limit_s: float = _QUICK_S) -> Outcome:
    return call(["docker", *arguments], what=what, limit_s=limit_s)
