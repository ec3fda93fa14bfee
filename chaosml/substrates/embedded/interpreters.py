"""Which local Python stands for an image, and the fingerprint that stands for its digest."""

from __future__ import annotations

import fnmatch
import functools
import hashlib
import os
import pathlib
import subprocess
import sys
from collections.abc import Mapping

from chaosml.errors import SubstrateError
from chaosml.substrates.embedded.pods import base_environment

__all__ = ["Interpreters", "fingerprint", "first_match"]

_ASK = "from chaosml.reference.identity import interpreter_fingerprint as f; print(f())"
_ASK_S = 30.0


class Interpreters:
    """Finds the interpreter of an image by the scenario's patterns; the default is our own."""

    def __init__(self, images: Mapping[str, pathlib.Path]) -> None:
        """Check that every interpreter is there.

        Raises:
            SubstrateError: one is not, or cannot be executed.
        """
        for pattern, path in images.items():
            if not path.is_file() or not os.access(path, os.X_OK):
                raise SubstrateError(
                    f"images: {pattern!r} stands for {path}, which is no program; "
                    "give the path of a Python interpreter, such as .venv/bin/python"
                )
        # Not resolved: a virtual environment is known by the path of its interpreter.
        self._images = {pattern: path.absolute() for pattern, path in images.items()}

    def find(self, image: str) -> pathlib.Path:
        """Return the interpreter of the first pattern that matches."""
        return first_match(self._images, image) or pathlib.Path(sys.executable)


def first_match(paths: Mapping[str, pathlib.Path], image: str) -> pathlib.Path | None:
    """Return the path of the first pattern that matches an image."""
    for pattern, path in paths.items():
        if fnmatch.fnmatchcase(image, pattern):
            return path
    return None


@functools.cache
def fingerprint(interpreter: pathlib.Path) -> str:
    """Return what stands for the digest of an image that this interpreter stands for.

    What the interpreter's programs claim of themselves, or else the program file's identity.
    """
    try:
        answer = subprocess.run(
            [interpreter, "-c", _ASK],
            capture_output=True,
            text=True,
            timeout=_ASK_S,
            check=True,
            stdin=subprocess.DEVNULL,
            cwd="/",
            env=base_environment(interpreter),
        )
        return answer.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        found = interpreter.resolve().stat()
        named = f"{interpreter.resolve()}|{found.st_size}|{found.st_mtime_ns}"
        return f"python:{hashlib.sha256(named.encode()).hexdigest()}"
