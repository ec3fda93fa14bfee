"""What is made before a pod starts and removed after it ended: folders, files, its command line."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil

from chaosml.substrates.embedded.wire import StartPod

__all__ = ["COPIED_BYTES_MAX", "LEFT_OUT", "find_command", "make_folders", "measure", "remove"]

COPIED_BYTES_MAX = 256 << 20
"""A folder with more in it does not stand for an image: every pod gets a copy."""
LEFT_OUT = frozenset(
    (
        *(".git", ".hg", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache", ".ruff_cache"),
        *(".tox", ".venv", "__pycache__", "node_modules", "reports", "venv"),
    )
)
"""Names that no image has: histories, environments, caches, and our own reports."""


def make_folders(order: StartPod) -> None:
    """Make the folders and files of a pod.

    Raises:
        OSError: one cannot be made, or what is to be copied into it is too large.
    """
    for folder in (order.directory, *order.directories):
        os.makedirs(folder, exist_ok=True)
    if order.copy_of is not None:
        _copy(order.copy_of, order.working_directory)
    for path, text in order.files.items():
        pathlib.Path(path).write_text(text, encoding="utf-8")


def measure(folder: str) -> int:
    """Return how many bytes of a folder are copied; stops beyond the limit."""
    size = 0
    for parent, names, files in os.walk(folder):
        names[:] = [name for name in names if name not in LEFT_OUT]
        for name in files:
            with contextlib.suppress(OSError):
                size += os.stat(os.path.join(parent, name)).st_size
        if size > COPIED_BYTES_MAX:
            break
    return size


def _copy(folder: str, into: str) -> None:
    if measure(folder) > COPIED_BYTES_MAX:
        raise OSError(
            f"{folder}: over {COPIED_BYTES_MAX >> 20} MiB; every pod gets a copy of it, so keep "
            "data elsewhere and give the program its absolute path"
        )
    shutil.copytree(
        folder, into, ignore=_ignored, ignore_dangling_symlinks=True, dirs_exist_ok=True
    )


def _ignored(parent: str, names: list[str]) -> set[str]:
    """Return what is left out: well-known names, and what is neither file nor folder."""
    paths = {name: os.path.join(parent, name) for name in names}
    special = {
        name
        for name, path in paths.items()
        if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)
    }
    return special | (LEFT_OUT & paths.keys())


def find_command(order: StartPod) -> tuple[str, ...]:
    """Return the command line with the path of its program.

    Raises:
        OSError: there is no such program; the message is that of Argo's emissary.
    """
    name = order.argv[0]
    if "/" in name:
        path = os.path.join(order.working_directory, name)
        if not os.path.exists(path):
            raise OSError(
                f'failed to find name in PATH: exec: "{name}": stat {name}: '
                "no such file or directory"
            )
        return (path, *order.argv[1:])
    found = shutil.which(name, path=order.environment.get("PATH", ""))
    if found is None:
        raise OSError(
            f'failed to find name in PATH: exec: "{name}": executable file not found in $PATH'
        )
    return (found, *order.argv[1:])


def remove(directory: str) -> None:
    """Remove a pod's folder, also where the pod made parts of it unwritable."""
    shutil.rmtree(directory, ignore_errors=True)
    if not os.path.isdir(directory):
        return
    for folder, names, _ in os.walk(directory):
        for path in (folder, *(os.path.join(folder, name) for name in names)):
            with contextlib.suppress(OSError):
                if not os.path.islink(path):
                    os.chmod(path, 0o700)
    shutil.rmtree(directory, ignore_errors=True)
