"""What floating-point results depend on, apart from the program.

Two executions may only be held against one another bit by bit if these agree.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import pathlib
import platform
from collections.abc import Mapping

__all__ = ["take"]

_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENBLAS_CORETYPE")


def take(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the fingerprint of this host, its libraries and the environment of its pods."""
    found = {
        "machine": platform.machine(),
        "cpu-flags": hashlib.sha256(_cpu_flags().encode()).hexdigest()[:16],
        "python": platform.python_version(),
        "numpy": _version("numpy"),
    }
    variables = {name: environment[name] for name in _VARIABLES if name in environment}
    return found | {name.lower().replace("_", "-"): value for name, value in variables.items()}


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
