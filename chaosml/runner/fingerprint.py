"""What floating-point results depend on, apart from the program.

Two executions may only be held against one another bit by bit if these agree.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import pathlib
import platform

__all__ = ["take"]

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENBLAS_CORETYPE")


def take() -> dict[str, str]:
    """Return the fingerprint of this host and of the libraries that pods run with."""
    found = {
        "machine": platform.machine(),
        "cpu-flags": hashlib.sha256(_cpu_flags().encode()).hexdigest()[:16],
        "python": platform.python_version(),
        "numpy": _version("numpy"),
    }
    for variable in _THREAD_VARIABLES:
        if variable in os.environ:
            found[variable.lower().replace("_", "-")] = os.environ[variable]
    return found


def _cpu_flags() -> str:
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    flags = [line.partition(":")[2] for line in text.splitlines() if line.startswith("flags")]
    return " ".join(sorted(set(" ".join(flags).split())))


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "absent"
