"""A run of a scenario in a process of its own, for programs that own the signals of theirs."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from chaosml.errors import HarnessError, UsageError

__all__ = ["heal", "run_scenario", "sha256_of"]

_JUDGED = (0, 1, 3)
"""Exit codes after which there is a verdict."""
_HEAL_S = 120.0
"""How long an interrupted run may heal before it is killed."""
_SAID_MAX = 800


def run_scenario(
    scenario: str,
    *,
    reports: str = "reports",
    choices: Mapping[str, Any] | None = None,
    timeout_s: float,
    environment: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Run a scenario with `chaosml run` and return where it is recorded and what came out.

    Args:
        scenario: Path of the scenario.
        reports: Where runs are recorded.
        choices: Options of `chaosml run` by their names, such as `{"on": "kind", "trials": 2}`;
            what is None or empty is left out. `set` is a mapping.
        timeout_s: After so long the run is interrupted, and heals.
        environment: Variables beside those of this process.

    Raises:
        UsageError: the scenario or a choice is wrong; nothing was started.
        HarnessError: the run came to no verdict.
    """
    command = [sys.executable, "-m", "chaosml", "run", scenario, "--reports", reports]
    command += ["--output", "json", "--quiet", *_options(choices or {})]
    code, out, err = _call(command, timeout_s, environment or {})
    if code not in _JUDGED:
        error = UsageError if code == UsageError.exit_code else HarnessError
        raise error(f"chaosml run {scenario} ended with {code}: {err[-_SAID_MAX:].strip()}")
    verdict = json.loads(out)
    directory = pathlib.Path(reports).absolute() / verdict["scenario"] / verdict["run"]
    return {
        "run": str(directory),
        "scenario": verdict["scenario"],
        "scenario_sha256": sha256_of(directory),
        "seed": verdict["seed"],
        "status": verdict["status"],
        "exit_code": code,
        "replay": verdict["replay"],
    }


def sha256_of(directory: pathlib.Path) -> str:
    """Return the digest of the scenario that a run directory keeps."""
    try:
        content = (directory / "scenario.yaml").read_bytes()
    except OSError as error:
        raise HarnessError(f"{directory}: its scenario cannot be read: {error.strerror}") from error
    return hashlib.sha256(content).hexdigest()


def heal(reports: str, timeout_s: float = _HEAL_S) -> str:
    """Heal what runs that died have left; return what `chaosml recover` says.

    Raises:
        HarnessError: something could not be healed.
    """
    command = [sys.executable, "-m", "chaosml", "recover", "--reports", reports]
    code, out, err = _call(command, timeout_s, {})
    if code != 0:
        raise HarnessError(f"chaosml recover ended with {code}: {err[-_SAID_MAX:].strip()}")
    return out.strip()


def _options(choices: Mapping[str, Any]) -> list[str]:
    words: list[str] = []
    for name, choice in choices.items():
        if name == "set":
            for path, value in dict(choice or {}).items():
                words += ["--set", f"{path}={value}"]
        elif choice not in (None, ""):
            words += [f"--{name}", str(choice)]
    return words


def _call(
    command: list[str], timeout_s: float, environment: Mapping[str, str]
) -> tuple[int, str, str]:
    """Run a command of ours; whatever ends the wait lets it heal first."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            raise HarnessError(
                f"{' '.join(command[2:5])} did not end within {timeout_s:g} s and was interrupted"
            ) from error
        finally:
            # Also at a signal to the program that we are called from: faults are healed.
            if process.poll() is None:
                _interrupt(process)
        return process.returncode, out, err


def _interrupt(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=_HEAL_S)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
