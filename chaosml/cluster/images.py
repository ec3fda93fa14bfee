"""Images in the nodes: our own built and loaded, the others loaded or pulled beforehand.

Pulling beforehand keeps an image's download out of every measured time, and makes a
name that cannot be pulled an error at once instead of a pod that waits for ever.
"""

from __future__ import annotations

import hashlib
import json
import pathlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence

from chaosml import clock
from chaosml.cluster import docker, kind
from chaosml.cluster.options import REFERENCE_IMAGE, checkout_file, services_image
from chaosml.cluster.program import Tell
from chaosml.errors import SubstrateError

__all__ = ["SOURCE_LABEL", "build_own", "ensure_in_nodes", "full_name", "load_own", "source_digest"]

SOURCE_LABEL = "dev.chaosml.source"
"""Label of our image: digest of the files it was built from."""

_FILES = (
    "Dockerfile",
    "README.md",
    "kind-config.yaml",
    "pyproject.toml",
    "scenarios/pipelines/adhoc.yaml",
    "scenarios/pipelines/resilient.yaml",
)
_LIST_S = 30.0
_PULL_S = 600.0
_RUNTIME_S = 60.0
_POLL_S = 0.5
_STARTING = "code = Unavailable"
"""Status of a call over a socket that nobody serves (yet)."""


def source_digest() -> str:
    """Return the digest of everything that our image is made of."""
    digest = hashlib.sha256()
    for name, path in _sources():
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def build_own(tell: Tell) -> str:
    """Build our image, unless Docker has one of this very source; return its name.

    Raises:
        SubstrateError: it could not be built.
    """
    name, source = services_image(), source_digest()
    tags = (name, REFERENCE_IMAGE)
    if all(docker.image_label(tag, SOURCE_LABEL) == source for tag in tags):
        return name
    tell(f"building image {name}")
    with tempfile.TemporaryDirectory(prefix="chaosml-image-") as folder:
        context = pathlib.Path(folder)
        for path_in_context, path in _sources():
            target = context / path_in_context
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        docker.build(context, tags, {SOURCE_LABEL: source}, lambda line: _tell_step(line, tell))
    docker.prune(SOURCE_LABEL)
    return name


def _tell_step(line: str, tell: Tell) -> None:
    if line.startswith("Step "):
        tell(f"  {line}")


def _sources() -> Iterator[tuple[str, pathlib.Path]]:
    """Yield every file of the image by its name in the build's folder, in a fixed order."""
    for name in _FILES:
        yield name, checkout_file(name)
    package = pathlib.Path(__file__).parents[1]
    for path in sorted(package.rglob("*")):
        inside = path.relative_to(package)
        if (
            path.is_file()
            and "__pycache__" not in inside.parts
            and inside.parts[:2]
            != (
                "cluster",
                "checkout",
            )
        ):
            yield f"chaosml/{inside.as_posix()}", path


def load_own(cluster: str, nodes: Sequence[str], image: str, tell: Tell) -> None:
    """Load our image into the nodes that have another or none under its names.

    Raises:
        SubstrateError: it could not be loaded.
    """
    source = docker.image_label(image, SOURCE_LABEL)
    names = (image, REFERENCE_IMAGE)
    if all(_label_in_node(node, name) == source for node in nodes for name in names):
        return
    tell(f"loading image {image} into {len(nodes)} nodes")
    kind.load(cluster, names)


def _label_in_node(node: str, image: str) -> str | None:
    what = f"looking for image {image} in node {node}"
    seen = docker.in_container(node, ["crictl", "inspecti", image], what, _LIST_S)
    if seen.code != 0:
        return None
    specification = json.loads(seen.stdout).get("info", {}).get("imageSpec", {})
    labels = specification.get("config", {}).get("Labels") or {}
    label = labels.get(SOURCE_LABEL)
    return label if isinstance(label, str) else None


def ensure_in_nodes(cluster: str, nodes: Sequence[str], images: Sequence[str], tell: Tell) -> None:
    """Bring images into the nodes: from Docker where it has them, else from their registry.

    Raises:
        SubstrateError: an image is in neither.
    """
    missing = {node: sorted(set(images) - _images_in_node(node, images)) for node in nodes}
    for image in sorted({image for absent in missing.values() for image in absent}):
        if docker.has_image(image):
            tell(f"loading image {image}")
            kind.load(cluster, [image])
            continue
        tell(f"pulling image {image}")
        for node, absent in missing.items():
            if image in absent:
                _pull(node, image)


def _images_in_node(node: str, images: Sequence[str]) -> set[str]:
    there = {
        name
        for image in json.loads(_list(node))["images"]
        for name in (image.get("repoTags") or []) + (image.get("repoDigests") or [])
    }
    return {image for image in images if full_name(image) in there}


def _list(node: str) -> str:
    """Return what the container runtime says of its images, once it has started with its node."""
    what = f"listing the images of node {node}"
    deadline = clock.Deadline(f"container runtime of node {node}", _RUNTIME_S)
    while True:
        listed = docker.in_container(node, ["crictl", "images", "--output", "json"], what, _LIST_S)
        if listed.code == 0 or _STARTING not in listed.stderr or deadline.passed:
            return listed.expect(what)
        clock.pause(_POLL_S)


def _pull(node: str, image: str) -> None:
    what = f"pulling image {image} in node {node}"
    pulled = docker.in_container(node, ["crictl", "pull", image], what, _PULL_S)
    if pulled.code != 0:
        raise SubstrateError(
            f"image {image} cannot be pulled: {pulled.complaint}; check its name, or put it into "
            f"Docker on this machine (docker pull {image}), from where it is loaded"
        )


def full_name(image: str) -> str:
    """Return an image's name with the registry, path and tag that a bare name implies."""
    first, slash, _ = image.partition("/")
    if not slash:
        image = f"docker.io/library/{image}"
    elif not ("." in first or ":" in first or first == "localhost"):
        image = f"docker.io/{image}"
    last = image.rpartition("/")[2]
    return image if ":" in last or "@" in last else f"{image}:latest"
