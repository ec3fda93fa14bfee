"""The run directory: its name, its layout, its owner, and the `latest` link.

    reports/spot/20261124T221500Z/
      scenario.yaml  workflow.yaml  plan.json  invocation.json      what the run was made from
      controls/1/{history.jsonl, pods/}  trials/1/{history.jsonl, pods/}      what was seen
      …/workflow.jsonl                                              what a real Argo showed
      verdict.json  summary.md  junit.xml  scorecard.html  shadow.json      what was concluded
      calls.jsonl                                                   what a cluster was asked
      owner.json                                                    only while somebody runs it
    reports/spot/latest -> 20261124T221500Z

Documents are replaced whole or not at all, so that a reader never sees half of one.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import pathlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from chaosml.errors import HistoryError, UsageError
from chaosml.store.owner import Owner

__all__ = ["INPUTS", "LATEST", "OWNER", "Owner", "RunDirectory", "replace_file", "unfinished"]

INPUTS = ("scenario.yaml", "workflow.yaml", "plan.json", "invocation.json")
"""The documents without which nothing can be judged; written first, in this order."""
LATEST = "latest"

OWNER = "owner.json"
"""Names the owner, while somebody runs the directory and after a death."""
_HISTORY = "history.jsonl"
_FOLDERS = {"control": "controls", "trial": "trials", "state": "states", "kill": "kills"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SAME_SECOND_MAX = 1000


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """The folder that holds everything about one run."""

    path: pathlib.Path
    """Absolute, so that it means the same in every process of the run."""

    @property
    def run(self) -> str:
        """Name of the run, such as `20261124T221500Z`."""
        return self.path.name

    @classmethod
    def create(
        cls, reports: pathlib.Path, scenario_name: str, started: datetime.datetime
    ) -> RunDirectory:
        """Make the directory of a new run and let `latest` point to it.

        A run that started in the same second keeps its name; this one gets `-2`, `-3`, …

        Raises:
            UsageError: the scenario's name cannot be that of a folder.
            HistoryError: the file system refuses.
        """
        if not _NAME.fullmatch(scenario_name) or scenario_name == LATEST:
            raise UsageError(
                f"scenario name {scenario_name!r} cannot name a folder of reports; use letters, "
                "digits and dashes"
            )
        parent = reports.absolute() / scenario_name
        stamp = started.astimezone(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
        with _told(f"create a run directory in {parent}"):
            parent.mkdir(parents=True, exist_ok=True)
            directory = cls(_make_unused(parent, stamp))
            _point_latest(directory.path)
        return directory

    @classmethod
    def open(cls, path: pathlib.Path) -> RunDirectory:
        """Return the run directory that `path` names: itself, `latest`, or a scenario's folder.

        Raises:
            HistoryError: there is none, or its run ended before its inputs were written.
        """
        if not path.is_dir():
            raise HistoryError(
                f"{path}: there is no such run directory; name one such as "
                "reports/spot/latest or reports/spot/20261124T221500Z"
            )
        latest = path / LATEST
        directory = cls((latest if latest.is_dir() else path).resolve())
        missing = [name for name in INPUTS if not (directory.path / name).is_file()]
        if len(missing) == len(INPUTS):
            raise HistoryError(
                f"{path}: is no run directory: it holds none of {', '.join(INPUTS)}; name one "
                "such as reports/spot/latest"
            )
        if missing:
            raise HistoryError(
                f"{path}: the run ended before it wrote {', '.join(missing)}, so nothing was "
                "recorded that could be judged; run the scenario again"
            )
        return directory

    def write(self, name: str, content: bytes) -> None:
        """Put a document into the directory, whole or not at all; replaces an older one.

        Raises:
            HistoryError: the file system refuses, such as a full disk.
        """
        with _told(f"write {self.path / name}"):
            replace_file(self.path / name, content)

    def execution(self, kind: str, number: int) -> pathlib.Path:
        """Make and return the folder of `control` or `trial` number `number`.

        Raises:
            HistoryError: it exists, or the file system refuses.
        """
        folder = self.path / _FOLDERS[kind] / str(number)
        with _told(f"create {folder}"):
            folder.parent.mkdir(exist_ok=True)
            folder.mkdir()
            (folder / "pods").mkdir()
        return folder

    def renew_execution(self, kind: str, name: str) -> pathlib.Path:
        """Make and return the folder of an execution; one that was cut short is replaced.

        Raises:
            HistoryError: the file system refuses.
        """
        folder = self.path / _FOLDERS[kind] / name
        with _told(f"create {folder}"):
            if folder.exists():
                shutil.rmtree(folder)
            (folder / "pods").mkdir(parents=True)
        return folder

    def histories(self, kind: str) -> list[pathlib.Path]:
        """Return the histories of all controls or trials that there are, by number."""
        found = (self.path / _FOLDERS[kind]).glob(f"*/{_HISTORY}")
        numbered = {int(path.parent.name): path for path in found if path.parent.name.isdecimal()}
        return [numbered[number] for number in sorted(numbered)]

    @property
    def owner(self) -> Owner | None:
        """Who runs this directory, dead or alive; None once the run has ended in order.

        Raises:
            HistoryError: the record cannot be read.
        """
        path = self.path / OWNER
        try:
            return msgspec.json.decode(path.read_bytes(), type=Owner)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise HistoryError(f"cannot read {path}: {error.strerror}") from error
        except msgspec.MsgspecError as error:
            raise HistoryError(
                f"{path}: names no owner that this version understands ({error}); remove it if "
                "no chaosml runs there"
            ) from error

    def own(self, owner: Owner) -> None:
        """Record who runs this directory.

        Raises:
            HistoryError: the file system refuses.
        """
        self.write(OWNER, msgspec.json.format(msgspec.json.encode(owner)))

    def disown(self) -> None:
        """Record that nobody runs this directory any more; a second call does nothing.

        Raises:
            HistoryError: the file system refuses.
        """
        with _told(f"remove {self.path / OWNER}"):
            (self.path / OWNER).unlink(missing_ok=True)


def unfinished(reports: pathlib.Path) -> list[RunDirectory]:
    """Return the run directories below `reports` whose owner died, the oldest first.

    Raises:
        HistoryError: a record of an owner cannot be read.
    """
    found = [
        RunDirectory(record.parent.absolute())
        for record in sorted(reports.glob(f"*/*/{OWNER}"))
        if not record.parent.is_symlink()
    ]
    return [
        directory
        for directory in found
        if (owner := directory.owner) is not None and not owner.is_alive
    ]


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    """Turn what the file system refuses into an error that says what was tried."""
    try:
        yield
    except OSError as error:
        raise HistoryError(f"cannot {what}: {error.strerror or error}") from error


def _make_unused(parent: pathlib.Path, stamp: str) -> pathlib.Path:
    for number in range(1, _SAME_SECOND_MAX):
        path = parent / (stamp if number == 1 else f"{stamp}-{number}")
        try:
            path.mkdir()
        except FileExistsError:
            continue
        return path
    raise HistoryError(f"{parent} holds {_SAME_SECOND_MAX} runs of the second {stamp}")


def _point_latest(path: pathlib.Path) -> None:
    """Let `latest` name this run; readers see the old link or the new one, never none."""
    link = path.parent / f".{LATEST}-{path.name}"
    link.unlink(missing_ok=True)
    link.symlink_to(path.name, target_is_directory=True)
    try:
        link.replace(path.parent / LATEST)
    except OSError:
        link.unlink()
        path.rmdir()
        raise


def replace_file(path: pathlib.Path, content: bytes) -> None:
    """Write a file, whole or not at all.

    Raises:
        OSError: the file system refuses; an older file is as it was.
    """
    temporary = path.parent / f".{path.name}-{os.getpid()}"
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
