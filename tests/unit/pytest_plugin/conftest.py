"""A project with scripted runs; what an inner session would import is here already.

pytester forgets modules that were imported inside, and some cannot be imported twice.
"""

import project as projects
import pytest

import chaosml.pytest_plugin.calls
import chaosml.pytest_plugin.items
import chaosml.pytest_plugin.scheduling
import chaosml.pytest_plugin.shards
import chaosml.pytest_plugin.summary  # noqa: F401 - see above


@pytest.fixture
def project(pytester):
    return projects.Project(pytester)
