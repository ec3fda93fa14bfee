"""One function of an extension, called in a process of its own: what it makes of each ending."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import pytest

import chaosml

pytestmark = pytest.mark.slow

HERE = pathlib.Path(__file__).parent / "toolkit"


def call(func: str, kind: str = "action", **order: object) -> tuple[int, object, str]:
    """Return exit code, answer and the last line on stderr."""
    stub = [] if importlib.util.find_spec("chaoslib") else [str(HERE / "stub")]
    words = {"type": kind, "module": "extension", "func": func, **order}
    ended = subprocess.run(
        [sys.executable, "-m", "chaosml.chaostoolkit.activity", json.dumps(words)],
        cwd=HERE,
        env={**os.environ, "PYTHONPATH": ":".join(stub), "TOKEN": "s3cret"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    answer = json.loads(ended.stdout) if ended.stdout else None
    return ended.returncode, answer, (ended.stderr.strip().splitlines() or [""])[-1]


def test_an_action_that_returns_is_answered_and_what_it_prints_is_no_part_of_it() -> None:
    code, answer, said = call("well", arguments={"what": "killed"}, secrets={"token": "TOKEN"})
    assert (code, said) == (0, "an extension may print")
    assert answer == {"called": True, "output": {"what": "killed", "token": "s3cret"}}


@pytest.mark.parametrize(("value", "met"), [(3, True), (7, False)])
def test_a_probe_is_held_against_its_tolerance(value: int, met: bool) -> None:
    code, answer, _ = call("value", "probe", arguments={"of": value}, tolerance=[1, 5])
    assert (code, answer) == (0, {"took-effect": met, "output": value})


@pytest.mark.parametrize(
    ("func", "why"),
    [
        ("raises", "the cloud said no"),
        ("leaves", "ended its process with 0"),
        ("is_not_there", "is_not_there"),
        ("endless", "is no JSON document"),
    ],
)
def test_an_action_that_does_not_return_is_a_failure_with_its_reason(func: str, why: str) -> None:
    code, answer, said = call(func)
    assert (code, answer) == (1, None)
    assert why in said


def test_a_process_that_vanishes_has_answered_nothing_although_its_code_is_0() -> None:
    assert call("vanishes") == (0, None, "")


def test_a_value_that_cannot_be_compared_is_no_receipt() -> None:
    code, answer, said = call("value", "probe", arguments={"of": "many"}, tolerance=[1, 5])
    assert (code, answer) == (1, None)
    assert "cannot be held against the tolerance" in said or "'many'" in said


@pytest.mark.skipif(bool(importlib.util.find_spec("chaoslib")), reason="the toolkit is there")
@pytest.mark.parametrize("name", ["chaosml.chaostoolkit", "chaosml.chaostoolkit.actions"])
def test_without_the_toolkit_an_import_says_how_it_is_had(name: str) -> None:
    with pytest.raises(ImportError, match=r"pip install 'chaosml\[chaostoolkit\]'"):
        importlib.import_module(name)


@pytest.mark.skipif(bool(importlib.util.find_spec("chaoslib")), reason="the toolkit is there")
def test_without_the_toolkit_nothing_is_discovered() -> None:
    with pytest.raises(ImportError, match="needs the Chaos Toolkit"):
        chaosml.discover()
