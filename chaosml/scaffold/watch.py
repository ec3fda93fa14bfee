"""A pipeline run once, undisturbed, through the embedded services, to see what it writes."""

from __future__ import annotations

import collections
import contextlib
import os
import pathlib
import queue
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from chaosml import clock, history
from chaosml.event import Event, Request
from chaosml.reports.progress import Silence
from chaosml.runner import conclude, fingerprint, recovery
from chaosml.runner import life as runs
from chaosml.runner.execution import Execution
from chaosml.runner.interruption import Interruption
from chaosml.runner.options import RunOptions
from chaosml.runner.setup import Composer
from chaosml.scaffold.watched import Watched, gather
from chaosml.scenario.load import LoadedScenario
from chaosml.services.client import Services
from chaosml.store.directory import RunDirectory
from chaosml.substrates.embedded.pods import base_environment
from chaosml.substrates.embedded.staging import LEFT_OUT
from chaosml.substrates.embedded.substrate import EmbeddedSubstrate
from chaosml.timeline.storage import WRITES, was_stored

__all__ = ["watch"]

_LINES = 12
_LOG_BYTES = 64 << 10
_TOLD_MAX = 12
_NAME_MAX = 42
_LOOK_S = 0.1


def watch(
    scenario: pathlib.Path,
    reports: pathlib.Path,
    *,
    timeout_s: float,
    tell: Callable[[str], None],
    folder: pathlib.Path | None = None,
) -> Watched:
    """Run the pipeline of a scenario once.

    Args:
        scenario: A draft, whose artifacts match everything.
        reports: Where the run is recorded while it lives; nothing of it stays.
        timeout_s: Limit of the execution.
        tell: Is told of each key when it is first written.
        folder: What pods have a copy of.

    Raises:
        UsageError: the scenario or its workflow is wrong.
        HarnessError: the environment failed.
        Interrupted: the user wants no more.
    """
    options = RunOptions(reports=reports)
    loaded, planned = runs.plan(scenario, options)
    recovery.recover(reports, tell)
    name = f"{loaded.scenario.metadata.name}-init"
    directory = RunDirectory.create(reports, name[:_NAME_MAX], clock.utc_now())
    observer = _Observer(tell, folder)
    try:
        conclude.save_inputs(directory, loaded, planned, options)
        _run_once(loaded, directory, observer, timeout_s)
        control = directory.path / "controls" / "1"
        seen = gather(history.read(control / "history.jsonl"))
        said = _last_lines(control / "pods")
    finally:
        _remove(directory.path)
    return replace(seen, left_behind=observer.left_behind, said=said)


def _run_once(
    loaded: LoadedScenario, directory: RunDirectory, observer: _Observer, timeout_s: float
) -> None:
    """Run one control."""
    inbox: queue.SimpleQueue[tuple[object, Any]] = queue.SimpleQueue()
    nodes = loaded.scenario.embedded.nodes
    with (
        Interruption(inbox) as interruption,
        runs.own_workspace(directory, None) as workspace,
        _opened(inbox, directory, workspace, nodes) as (substrate, services),
    ):
        observer.workspace = workspace
        setup = Composer(
            loaded=loaded,
            run=directory.run,
            endpoints=services.endpoints,
            fingerprint=fingerprint.take(base_environment(pathlib.Path(sys.executable))),
            substrate=substrate.name,
            deadline_s=timeout_s,
            secrets=runs.secrets_of(loaded),
        ).control(1, directory.execution("control", 1))
        Execution(
            setup,
            substrate=substrate,
            services=services,
            inbox=inbox,
            interruption=interruption,
            progress=observer,
        ).run()


@contextlib.contextmanager
def _opened(
    inbox: queue.SimpleQueue[tuple[object, Any]],
    directory: RunDirectory,
    workspace: pathlib.Path,
    nodes: int,
) -> Iterator[tuple[EmbeddedSubstrate, Services]]:
    """Start services and substrate; end both, whatever happens."""
    mark = runs.mark_of(directory)
    substrate = EmbeddedSubstrate(inbox, workspace=workspace, run=mark, nodes=nodes)
    services = Services(inbox, run=mark, directory=directory.path, toxiproxy=False)
    try:
        services.start()
        substrate.prepare()
        yield substrate, services
    finally:
        try:
            substrate.close()
        finally:
            services.close()


class _Observer(Silence):
    """Tells of new keys, and notes the files that pods leave where they die with them."""

    def __init__(self, tell: Callable[[str], None], folder: pathlib.Path | None) -> None:
        self._tell = tell
        self._keys: set[str] = set()
        self._known = _files(folder) if folder is not None else frozenset[str]()
        self._left: dict[str, None] = {}
        self._start_ns = clock.monotonic_ns()
        self._looked_ns = 0
        self.workspace: pathlib.Path | None = None

    @property
    def left_behind(self) -> tuple[str, ...]:
        """Files that were new in a working directory."""
        return tuple(self._left)

    def event(self, execution: str, event: Event) -> None:
        """Tell of an object that is new."""
        self._look()
        fact = event.data
        if not isinstance(fact, Request) or fact.operation not in WRITES or not was_stored(fact):
            return
        if fact.key not in self._keys:
            self._keys.add(fact.key)
            at_s = (clock.monotonic_ns() - self._start_ns) / 1e9
            if len(self._keys) <= _TOLD_MAX:
                self._tell(f"  {at_s:6.1f} s  {fact.key}")
            elif len(self._keys) == _TOLD_MAX + 1:
                self._tell("            … and further keys")

    def waiting(self, what: str, left_s: float) -> None:
        """Look at the working directories."""
        self._look()

    def _look(self) -> None:
        now_ns = clock.monotonic_ns()
        if self.workspace is None or now_ns - self._looked_ns < _LOOK_S * 1e9:
            return
        self._looked_ns = now_ns
        for work in self.workspace.glob("k*/*/work"):
            self._left.update(dict.fromkeys(sorted(_files(work) - self._known)))


def _files(folder: pathlib.Path) -> frozenset[str]:
    found = set()
    for parent, names, files in os.walk(folder):
        names[:] = [name for name in names if name not in LEFT_OUT]
        found |= {os.path.relpath(os.path.join(parent, name), folder) for name in files}
    return frozenset(found)


def _last_lines(pods: pathlib.Path) -> tuple[str, ...]:
    """Return the last lines of the log that was written last."""
    logs = sorted(pods.glob("*.log"), key=lambda path: path.stat().st_mtime_ns)
    if not logs:
        return ()
    with open(logs[-1], "rb") as file:
        file.seek(max(0, logs[-1].stat().st_size - _LOG_BYTES))
        text = file.read().decode("utf-8", "replace")
    lines: collections.deque[str] = collections.deque(maxlen=_LINES)
    lines.extend(
        "".join(one if one.isprintable() else "?" for one in line[:200])
        for line in text.splitlines()
        if line.strip() and not line.startswith("@chaosml ")
    )
    return tuple(lines)


def _remove(path: pathlib.Path) -> None:
    """Remove the recording, and the folders that were made for it alone."""
    shutil.rmtree(path, ignore_errors=True)
    parent = path.parent
    with contextlib.suppress(OSError):
        (parent / "latest").unlink()
    for folder in (parent, parent.parent):
        with contextlib.suppress(OSError):
            folder.rmdir()
