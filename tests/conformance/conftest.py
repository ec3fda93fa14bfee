"""The services that the tests of this folder talk to, unless a module brings its own."""

from __future__ import annotations

import pytest
from services_under_test import World


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """Return running services, for all tests of a module."""
    world = World(tmp_path_factory.mktemp("services"))
    yield world
    world.close()


@pytest.fixture
def world(running):
    """Return the services with a new execution."""
    return running.begin()
