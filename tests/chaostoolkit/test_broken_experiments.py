"""Experiments that go wrong: none of them is a success, whatever the toolkit says."""

from __future__ import annotations

import pathlib
import signal
import subprocess

import pytest
from experiments import CHAOS, call, export, judge

from chaosml import clock

pytestmark = [pytest.mark.chaostoolkit, pytest.mark.timeout(120)]


def test_an_action_that_raises_is_no_success_although_the_method_went_on(
    tmp_path: pathlib.Path,
) -> None:
    path = export(tmp_path)
    done = call(*CHAOS, "run", path.name, folder=tmp_path, CHAOSML_SCENARIO="none.yaml")
    assert done.returncode == 1
    code, judged = judge(tmp_path)
    assert (code, judged["status"]) == (3, "UNKNOWN")
    assert "action-failed" in [doubt["cause"] for doubt in judged["doubts"]]


def test_an_unmet_gate_is_no_success(tmp_path: pathlib.Path) -> None:
    path = export(tmp_path)
    call(*CHAOS, "run", "--hypothesis-strategy", "default", path.name, folder=tmp_path)
    code, judged = judge(tmp_path)
    assert (code, "gate-not-met") == (3, judged["doubts"][-1]["cause"])


def test_a_signal_ends_the_run_in_order_and_proves_nothing(tmp_path: pathlib.Path) -> None:
    path = export(tmp_path, "--set", "pipeline.parameters.pace-ms=200")
    with subprocess.Popen(
        [*CHAOS, "run", path.name], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        deadline = clock.Deadline("first execution of the run", 60.0)
        begun = clock.wait_until(
            lambda: bool([*tmp_path.glob("reports/*/*/controls/1/history.jsonl")]), deadline
        )
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert begun
    code, judged = judge(tmp_path)
    assert (code, judged["status"]) == (3, "UNKNOWN")
    assert not [*tmp_path.glob("reports/*/*/owner.json")]
