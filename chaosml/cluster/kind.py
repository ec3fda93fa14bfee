"""kind, by its command: clusters made and removed, images loaded, credentials."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import yaml

from chaosml.cluster.program import Outcome, call
from chaosml.errors import SubstrateError

__all__ = ["context", "create", "delete", "export_context", "kubeconfig", "load", "version"]

_QUICK_S = 30.0
_CREATE_S = 600.0
_DELETE_S = 120.0
_LOAD_S = 600.0

_INSTALL = (
    "install it (https://kind.sigs.k8s.io/docs/user/quick-start/#installation, such as "
    "go install sigs.k8s.io/kind@v0.30.0)"
)
_CURRENT = re.compile(r"^current-context:.*$", re.MULTILINE)


def version() -> str:
    """Return the version of kind.

    Raises:
        SubstrateError: it is not installed, or does not work.
    """
    if shutil.which("kind") is None:
        raise SubstrateError(f"kind is not installed: {_INSTALL}")
    what = "asking kind its version"
    return _kind(["version", "--quiet"], what, _QUICK_S).expect(what).strip()


def context(cluster: str) -> str:
    """Return the name of the kubectl context of a cluster."""
    return f"kind-{cluster}"


def create(
    cluster: str, config: pathlib.Path, image: str, each_step: Callable[[str], None]
) -> None:
    """Make a cluster; what is there of it after a failure is removed again by kind.

    Raises:
        SubstrateError: kind could not; the message ends with its last words.
    """

    def tell(line: str) -> None:
        # One line when a step begins (a bullet) and one when it has ended (a tick).
        if line.lstrip().startswith("•"):
            each_step(re.sub(r"[^\x20-\x7e]", "", line).strip(" ."))

    arguments = ["create", "cluster", "--name", cluster, "--config", str(config), "--image", image]
    with _same_current_context():
        made = call(
            ["kind", *arguments],
            what=f"making cluster {cluster}",
            limit_s=_CREATE_S,
            each_line=tell,
        )
    if made.code != 0:
        raise SubstrateError(_why_not_made(cluster, image, made))


def _why_not_made(cluster: str, image: str, made: Outcome) -> str:
    if "failed to pull image" in made.stderr:
        return (
            f"the node image {image} cannot be pulled: {made.complaint}; name one that can with "
            "--node-image (https://github.com/kubernetes-sigs/kind/releases lists them)"
        )
    return f"making cluster {cluster} failed: {made.complaint}"


def delete(cluster: str) -> None:
    """Remove a cluster and its context; one that is not there is fine.

    Raises:
        SubstrateError: kind could not.
    """
    what = f"removing cluster {cluster}"
    _kind(["delete", "cluster", "--name", cluster], what, _DELETE_S).expect(what)


def kubeconfig(cluster: str) -> dict[str, Any]:
    """Return the credentials of a cluster.

    Raises:
        SubstrateError: it has none: it is not there, or was not made to its end.
    """
    what = f"reading the credentials of cluster {cluster}"
    text = _kind(["get", "kubeconfig", "--name", cluster], what, _QUICK_S).expect(what)
    document = yaml.safe_load(text)
    if not isinstance(document, dict):
        raise SubstrateError(f"{what} gave no document")
    return document


def export_context(cluster: str) -> None:
    """Put a cluster's context into the user's kubeconfig; the current context stays.

    Raises:
        SubstrateError: kind could not.
    """
    what = f"writing the context of cluster {cluster}"
    with _same_current_context():
        _kind(["export", "kubeconfig", "--name", cluster], what, _QUICK_S).expect(what)


def load(cluster: str, images: Sequence[str]) -> None:
    """Copy images from Docker into every node.

    Raises:
        SubstrateError: kind could not.
    """
    what = f"loading {', '.join(images)} into cluster {cluster}"
    _kind(["load", "docker-image", "--name", cluster, *images], what, _LOAD_S).expect(what)


def _kind(arguments: Sequence[str], what: str, limit_s: float) -> Outcome:
    return call(["kind", *arguments], what=what, limit_s=limit_s)


@contextlib.contextmanager
def _same_current_context() -> Iterator[None]:
    """Let kind add its context without making it the current one, if there is one already.

    Otherwise the next `kubectl delete` that meant another cluster would meet ours.
    """
    before = {path: _current(path) for path in _kubeconfig_files()}
    try:
        yield
    finally:
        for path, line in before.items():
            if line and _current(path) not in ("", line):
                text = path.read_text(encoding="utf-8")
                path.write_text(text.replace(_current(path), line), encoding="utf-8")


def _current(path: pathlib.Path) -> str:
    try:
        found = _CURRENT.search(path.read_text(encoding="utf-8"))
    except OSError:
        return ""
    return found[0] if found and not re.search(r':\s*("")?\s*$', found[0]) else ""


def _kubeconfig_files() -> list[pathlib.Path]:
    named = [part for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return [pathlib.Path(part) for part in named] or [pathlib.Path.home() / ".kube" / "config"]
