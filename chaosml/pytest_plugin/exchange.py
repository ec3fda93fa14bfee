"""What the processes of one test session know of each other's runs.

A folder of the session holds a record of every run. Items of one scenario may be given to
several workers: a lock of the kernel, which a dead worker cannot keep, lets the first run it
and the others read what came of it. The folder is also how the controller gets to know.

    KEY.lock    held by whoever runs the scenario
    KEY.begun   somebody began; without KEY.json and with a free lock: it died
    KEY.json    the record

Runs on one cluster take turns, since a fault in one would be evidence in the other: a lock for
each context, held by whoever runs there.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import pytest

from chaosml import clock
from chaosml.errors import HarnessError

__all__ = ["TURN_S", "WORKER_KEY", "Exchange", "Record", "close", "of", "records_of"]

WORKER_KEY = "chaosml_exchange"
"""Under which a worker of xdist is told the folder."""

TURN_S = 12 * 3600.0
"""Longest wait until the other runs of a session on the same cluster have ended."""
_POLL_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What came of one run; exactly one of the two is given."""

    scenario: str
    """The file, as node ids name it."""
    directory: str | None = None
    error: str | None = None


class Exchange:
    """The folder of a session."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder

    def once(self, scenario: str, limit_s: float, run: Callable[[], Record]) -> Record:
        """Return the record of a scenario's run; whoever comes first runs it.

        Args:
            scenario: The file, as node ids name it.
            limit_s: Longest wait for a run in another process.
            run: Called at most once in a session.

        Raises:
            HarnessError: the run of another process did not end in time, or the folder is gone.
        """
        place = self._place(scenario)
        deadline = clock.Deadline(f"the run of {scenario} in another worker", limit_s)
        with self._lock(place.with_suffix(".lock"), deadline):
            kept, begun = place.with_suffix(".json"), place.with_suffix(".begun")
            if kept.exists():
                return _read(kept)
            if begun.exists():
                words = "its run broke off in this session, so nothing is proved; run it again"
                return Record(scenario=scenario, error=words)
            begun.touch()
            record = run()
            _write(kept, record)
            return record

    @contextlib.contextmanager
    def turn(self, context: str, limit_s: float = TURN_S) -> Iterator[None]:
        """Let no other run of the session happen on a cluster meanwhile.

        Args:
            context: Of the kubeconfig.
            limit_s: Longest wait for those before.

        Raises:
            HarnessError: they did not end in time, or the folder is gone.
        """
        deadline = clock.Deadline(f"the runs of other workers on {context}", limit_s)
        with self._lock(self._place(context).with_suffix(".turn"), deadline):
            yield

    def refuse(self, scenario: str, why: str) -> None:
        """Record that a scenario cannot be run at all; every worker finds the same."""
        _write(self._place(scenario).with_suffix(".json"), Record(scenario=scenario, error=why))

    def add(self, record: Record) -> None:
        """Record a run that is nobody else's."""
        number = sum(1 for _ in self.folder.glob("call-*"))
        _write(self.folder / f"call-{os.getpid()}-{number}.json", record)

    def records(self) -> list[Record]:
        """Return the records of all processes, by scenario and directory."""
        found = [_read(path) for path in self.folder.glob("*.json")]
        return sorted(found, key=lambda one: (one.scenario, one.directory or ""))

    def _place(self, scenario: str) -> pathlib.Path:
        return self.folder / hashlib.sha256(scenario.encode()).hexdigest()[:16]

    @contextlib.contextmanager
    def _lock(self, path: pathlib.Path, deadline: clock.Deadline) -> Iterator[None]:
        try:
            file = path.open("a")
        except OSError as error:
            raise HarnessError(
                f"{path}: {error.strerror}; the workers of a session share this folder, so all "
                "must run on one machine"
            ) from error
        with file:
            if not clock.wait_until(lambda: _takes(file.fileno()), deadline, _POLL_S):
                raise HarnessError(f"{deadline.what} did not end within {deadline.seconds:g} s")
            yield


def _takes(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(path: pathlib.Path) -> Record:
    return Record(**json.loads(path.read_text(encoding="utf-8")))


def _write(path: pathlib.Path, record: Record) -> None:
    # Whole or not at all: the controller may read at any time.
    unfinished = path.with_suffix(f".unfinished-{os.getpid()}")
    unfinished.write_text(json.dumps(asdict(record)), encoding="utf-8")
    unfinished.replace(path)


_KEY: pytest.StashKey[Exchange] = pytest.StashKey()


def of(config: pytest.Config) -> Exchange:
    """Return the session's exchange; made on first use, unless the controller made it."""
    if _KEY not in config.stash:
        given = getattr(config, "workerinput", {}).get(WORKER_KEY)
        folder = given or tempfile.mkdtemp(prefix="chaosml-session-")
        config.stash[_KEY] = Exchange(pathlib.Path(folder))
    return config.stash[_KEY]


def records_of(config: pytest.Config) -> list[Record]:
    """Return the records of all processes so far, without making an exchange."""
    return config.stash[_KEY].records() if _KEY in config.stash else []


def close(config: pytest.Config) -> None:
    """Remove the folder; a worker leaves that to the controller."""
    if _KEY in config.stash:
        shutil.rmtree(config.stash[_KEY].folder, ignore_errors=True)
        del config.stash[_KEY]
