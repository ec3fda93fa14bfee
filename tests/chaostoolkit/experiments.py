"""Experiments as a user runs them: the two commands, and what they leave."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
TRAINER = ROOT / "tests" / "whole" / "trainer.yaml"
EXTENSION = ROOT / "tests" / "conformance" / "toolkit" / "extension.py"
CHAOS = [str(pathlib.Path(sys.executable).with_name("chaos")), "--no-version-check"]
CHAOSML = [sys.executable, "-m", "chaosml"]


def call(*words: str, folder: pathlib.Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def export(folder: pathlib.Path, *options: str) -> pathlib.Path:
    path = folder / "experiment.json"
    words = ["export", "--chaostoolkit", str(TRAINER), "--output", str(path), *options]
    done = call(*CHAOSML, *words, folder=folder)
    assert done.returncode == 0, done.stderr
    return path


def judge(folder: pathlib.Path) -> tuple[int, dict[str, Any]]:
    done = call(*CHAOSML, "judge", "journal.json", "--output", "json", folder=folder)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def python(module: str, func: str, **arguments: object) -> dict[str, Any]:
    module = f"chaosml.chaostoolkit.{module}"
    return {"type": "python", "module": module, "func": func, "arguments": arguments}
