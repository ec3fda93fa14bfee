"""The selftest as a user runs it: defects are caught for real, and the healthy pipeline passes."""

import json
import pathlib
import random
import subprocess
import sys

import pytest

from chaosml.selftest.catalogue import DEFECTS

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[2]
FIXED = ["marker-first", "retry-on-failure"]
DRAWN = 2


def commit():
    found = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "HEAD"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    return found.stdout.strip() or "no checkout"


def drawn():
    """Return defects that differ from commit to commit, so that all have their turn."""
    others = [defect.name for defect in DEFECTS if defect.name not in FIXED]
    return random.Random(commit()).sample(others, DRAWN)


@pytest.mark.timeout(300)
def test_planted_defects_are_caught_and_the_healthy_pipeline_passes(tmp_path):
    names = [*FIXED, *drawn()]
    only = [word for name in names for word in ("--only", name)]
    command = [sys.executable, "-m", "chaosml", "selftest", *only, "--seeds", "2"]
    done = subprocess.run(
        [*command, "--reports", str(tmp_path), "--json", str(tmp_path / "matrix.json"), "-q"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, f"chaosml selftest {' '.join(only)}\n{done.stdout}\n{done.stderr}"
    document = json.loads((tmp_path / "matrix.json").read_text())
    assert {one["name"] for one in document["defects"]} == set(names)
    assert {one["result"] for one in document["defects"]} == {"caught"}
    assert [one["result"] for one in document["healthy"]] == ["silent", "silent"]
    assert done.stdout.splitlines()[-1].startswith("PASS  4 of 4 defects")
