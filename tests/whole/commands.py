"""The installed command as a user calls it: a process, its streams, the run that it leaves."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chaosml import clock

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCENARIOS = ROOT / "scenarios"
TRAINER = pathlib.Path(__file__).with_name("trainer.yaml")
CHAOSML = [sys.executable, "-m", "chaosml"]
REPORTS = ("junit.xml", "scorecard.html", "summary.md", "verdict.json")
_LIMIT_S = 300.0


@dataclass(frozen=True)
class Ended:
    """A command that has ended, with the run directory of a run that was begun."""

    code: int
    out: str
    err: str
    reports: pathlib.Path

    @property
    def directory(self) -> pathlib.Path:
        """The only run below the reports folder."""
        (found,) = self.reports.glob("*/[0-9]*")
        return found

    @property
    def verdict(self) -> dict[str, Any]:
        """`verdict.json`, which is also what was printed."""
        text = (self.directory / "verdict.json").read_text()
        assert text == self.out, self.err
        return json.loads(text)

    def executions(self, kind: str = "trial") -> list[dict[str, Any]]:
        """The controls or the trials."""
        found = self.verdict["executions"]
        return [one for one in found if one["execution"].startswith(f"{kind}/")]

    def verdicts(self, **wanted: Any) -> list[dict[str, Any]]:
        """The verdicts with these values, such as `checker="resume"`."""
        return [
            one
            for one in self.verdict["verdicts"]
            if all(one[name] == value for name, value in wanted.items())
        ]

    def causes(self, status: str = "FAIL") -> dict[str, set[str | None]]:
        """The causes of a status with the cases (`fault/view`) that showed them."""
        cases = {one["execution"]: case_of(one) for one in self.verdict["executions"]}
        found: dict[str, set[str | None]] = {}
        for verdict in self.verdicts(status=status):
            found.setdefault(verdict["cause"], set()).add(cases.get(verdict["execution"]))
        return found

    def documents(self) -> dict[str, bytes]:
        """The reports, byte for byte."""
        return {name: (self.directory / name).read_bytes() for name in REPORTS}

    def assert_one_message(self, *words: str) -> None:
        """Fail unless stderr is one message without a traceback, with these words in it."""
        assert "Traceback" not in self.out + self.err, self.err
        assert "internal error" not in self.err, self.err
        assert self.out == ""
        for word in words:
            assert word in self.err, self.err


def case_of(execution: Mapping[str, Any]) -> str | None:
    """`fault/view` as it was observed; a control has none, an undisturbed pod no view."""
    if execution["case"] is None:
        return None
    views = [receipt["observed_view"] for receipt in execution["receipts"]]
    return "/".join([execution["case"], *filter(None, views)])


def one_fault(
    scenario: str, name: str, folder: pathlib.Path, *changes: tuple[str, str]
) -> pathlib.Path:
    """Return one of our scenarios with one of its faults, changed in its text."""
    text = (SCENARIOS / scenario).read_text()
    head, _, rest = text.partition("faults:\n")
    body, _, end = rest.partition("\nseed: ")
    (chosen,) = [one for one in body.split("\n\n") if f"- name: {name}\n" in one]
    text = f"{head}faults:\n{chosen}\n\nseed: {end}"
    for before, after in (*changes, ("workflow: pipelines/", f"workflow: {SCENARIOS}/pipelines/")):
        assert before in text
        text = text.replace(before, after)
    path = folder / "scenario.yaml"
    path.write_text(text)
    return path


def run(
    scenario: pathlib.Path,
    reports: pathlib.Path,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    before: Callable[[], None] | None = None,
) -> Ended:
    """Run a scenario to its end; `before` runs in the new process."""
    return call(
        "run",
        *(str(scenario), "--output", "json", "-q", "--reports", str(reports)),
        *arguments,
        reports=reports,
        environment=environment,
        before=before,
    )


def judge(directory: pathlib.Path, reports: pathlib.Path) -> Ended:
    """Judge a run directory again."""
    return call("judge", str(directory), "--output", "json", reports=reports)


def call(
    *arguments: str,
    reports: pathlib.Path,
    environment: Mapping[str, str] | None = None,
    before: Callable[[], None] | None = None,
) -> Ended:
    """Call the command and wait for its end."""
    done = subprocess.run(
        [*CHAOSML, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
        env={**os.environ, **(environment or {})},
        preexec_fn=before,
    )
    return Ended(done.returncode, done.stdout, done.stderr, reports)


class Running:
    """A run in the background; what belongs to it is known by its mark alone."""

    def __init__(self, scenario: pathlib.Path, reports: pathlib.Path, *arguments: str) -> None:
        self._reports = reports
        command = [*CHAOSML, "run", str(scenario), "--output", "json", "-q"]
        self._process = subprocess.Popen(
            [*command, "--reports", str(reports), *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()

    @property
    def temporary(self) -> list[pathlib.Path]:
        """The private folders of the run."""
        folder = pathlib.Path(tempfile.gettempdir())
        return list(folder.glob(f"chaosml-{self._process.pid}-*"))

    def processes(self, module: str = "") -> list[int]:
        """The living processes of the run, or those that run a module."""
        return [pid for pid in map(int, _pids()) if self._is_ours(pid) and _runs(pid, module)]

    def _is_ours(self, pid: int) -> bool:
        end = b"-%d" % self._process.pid
        variables = _read(pid, "environ").split(b"\0")
        return any(one.startswith(b"CHAOSML_RUN=") and one.endswith(end) for one in variables)

    def await_line(self, word: str, limit_s: float = 30.0) -> None:
        """Wait until a history has a line with this word."""
        deadline = clock.Deadline(f"{word} in a history", limit_s)
        assert clock.wait_until(lambda: self._has_line(word), deadline), f"no {word}"

    def _has_line(self, word: str) -> bool:
        found = self._reports.glob("*/*/*/*/history.jsonl")
        return any(word in path.read_text() for path in found)

    def end(self, limit_s: float) -> Ended:
        """Wait for the end of the run."""
        out, err = self._process.communicate(timeout=limit_s)
        return Ended(self._process.returncode, out, err, self._reports)


def _pids() -> list[str]:
    return [path.name for path in pathlib.Path("/proc").iterdir() if path.name.isdecimal()]


def _runs(pid: int, module: str) -> bool:
    state = _read(pid, "stat").rpartition(b")")[2].split()[:1]
    return state not in ([], [b"Z"]) and module.encode() in _read(pid, "cmdline")


def _read(pid: int, name: str) -> bytes:
    try:
        return pathlib.Path("/proc", str(pid), name).read_bytes()
    except OSError:
        return b""
