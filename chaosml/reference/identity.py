"""Who made an artifact: run, dataset, image, commit, attempt; and what stands for an image."""

from __future__ import annotations

import functools
import hashlib
import os
import pathlib
import platform
from dataclasses import dataclass

import numpy

__all__ = ["Identity", "interpreter_fingerprint"]


@functools.cache
def interpreter_fingerprint() -> str:
    """Return what stands for an image digest where programs run without an image.

    It changes with the versions of Python and numpy, the machine and the sources of the
    reference programs, so that equal fingerprints mean equal programs.
    """
    total = hashlib.sha256()
    total.update(f"{platform.python_version()}|{numpy.__version__}|{platform.machine()}".encode())
    package = pathlib.Path(__file__).parent
    for source in sorted(package.rglob("*.py")):
        total.update(f"|{source.relative_to(package).as_posix()}|".encode())
        total.update(source.read_bytes())
    return f"interpreter:{total.hexdigest()}"


@dataclass(frozen=True, slots=True)
class Identity:
    """What every manifest, metrics document and registry entry of a run carries."""

    run_id: str
    dataset_sha256: str
    image: str
    git_commit: str
    attempt: str
    """Number of the attempt as the orchestrator counts; a recreated pod repeats it."""
    pod: str
    """Uid of the pod: unlike the attempt, it never repeats."""

    @classmethod
    def of_this_pod(cls, *, run_id: str, git_commit: str, dataset_sha256: str) -> Identity:
        """Complete the identity from the environment of the pod."""
        return cls(
            run_id=run_id,
            dataset_sha256=dataset_sha256,
            image=os.environ.get("IMAGE_DIGEST") or interpreter_fingerprint(),
            git_commit=git_commit,
            attempt=os.environ.get("ATTEMPT", "0"),
            pod=os.environ.get("POD_UID", ""),
        )

    def fields(self) -> dict[str, str]:
        """Return the fields as documents carry them."""
        return {
            "run_id": self.run_id,
            "dataset_sha256": self.dataset_sha256,
            "image": self.image,
            "git_commit": self.git_commit,
            "attempt": self.attempt,
            "pod": self.pod,
        }
