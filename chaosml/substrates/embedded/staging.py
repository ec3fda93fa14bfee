"""What is made before a pod starts and removed after it ended: folders, files, its command line."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil

from chaosml.substrates.embedded.wire import StartPod

__all__ = ["find_command", "make_folders", "remove"]


def make_folders(order: StartPod) -> None:
    """Make the folders and files of a pod.

    Raises:
        OSError: one cannot be made.
    """
    for folder in (order.directory, *order.directories):
        os.makedirs(folder, exist_ok=True)
    for path, text in order.files.items():
        pathlib.Path(path).write_text(text, encoding="utf-8")


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
