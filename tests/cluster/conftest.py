"""The cluster of the default name, made once for all tests here and removed at the end."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import pytest


def kind_networks() -> list[str]:
    arguments = ["docker", "network", "ls", "--quiet", "--filter", "name=^kind$"]
    return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout.split()


@pytest.fixture(scope="session", autouse=True)
def whole_session() -> Iterator[None]:
    """Keep the cluster between the modules, each of which borrows it."""
    if shutil.which("kind") is None:
        yield
        return
    from chaosml.cluster.life import borrowed
    from chaosml.cluster.options import ClusterOptions

    networks = kind_networks()
    try:
        with borrowed(ClusterOptions()):
            yield
    finally:
        # kind makes a network for all its clusters, and leaves it there.
        if not networks and kind_networks():
            subprocess.run(["docker", "network", "rm", "kind"], capture_output=True, check=False)
