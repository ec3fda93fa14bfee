"""The pytest plugin on a real cluster: one run, an item and a JUnit case for every expectation."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator

import pytest
from one_pod import PIPELINE, WORKFLOW
from own_namespace import own_namespace

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(600),
    pytest.mark.skipif(shutil.which("kind") is None, reason="kind is not installed"),
]

NAMESPACE = "pytest-plugin"
RUN_S = 420
ENDS = frozenset(("failure", "error", "skipped"))
SCENARIO = (
    PIPELINE
    + """\
faults:
  - name: deleted
    inject: pod.delete
    target: {task: train}
    when: {step: 60, settled: true}
    views: [gone]
controls: 1
trials: 1
seed: 7
deadline: 5m
expect: {outcome: Succeeded, resume: auto, corruption: none, mttr: {at-most: 1s}}
"""
)
HELD = ("outcome", "resume", "corruption", "effect")
BROKEN = ("mttr", "verdict")
"""No attempt on a cluster is back within a second."""


@pytest.fixture(scope="module", autouse=True)
def namespace() -> Iterator[None]:
    with own_namespace(NAMESPACE):
        yield


def test_one_run_on_kind_gives_every_expectation_its_own_result(tmp_path: pathlib.Path) -> None:
    (tmp_path / "workflow.yaml").write_text(WORKFLOW)
    (tmp_path / "one-pod.yaml").write_text(SCENARIO)
    command = [sys.executable, "-m", "pytest", "-v", "--chaosml", "one-pod.yaml"]
    command += ["--chaosml-on=kind", f"--chaosml-namespace={NAMESPACE}", "--junitxml=junit.xml"]
    done = subprocess.run(
        [*command, "--rootdir=."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    cases = {case.get("name"): case for case in ET.parse(tmp_path / "junit.xml").iter("testcase")}
    ends = {
        name: " ".join(one.tag for one in case if one.tag in ENDS) for name, case in cases.items()
    }
    assert ends == dict.fromkeys(HELD, "") | dict.fromkeys(BROKEN, "failure"), done.stdout
    properties = {one.get("name"): one.get("value") for one in cases["mttr"].iter("property")}
    assert "--on kind" in str(properties["chaosml-replay"])
    assert "FAIL recovery-too-slow in trial/1" in "".join(cases["mttr"].itertext())
    assert len(list(tmp_path.glob("reports/guarded/2*/verdict.json"))) == 1
    assert "1 scenario: 0 pass, 1 fail, 0 unproved" in done.stdout
