"""The embedded side: the same documents as local processes, struck as the cluster showed it."""

from __future__ import annotations

import os
import pathlib
import queue
import signal
from collections.abc import Sequence
from typing import Any

from chaosml import clock
from chaosml.event import Emission, PodStarted
from chaosml.history import Entry
from chaosml.substrates.embedded.controller import ArgoController, Decision
from chaosml.substrates.embedded.substrate import EmbeddedSubstrate
from chaosml.substrates.protocol import Submission
from chaosml.workflow.protocol import Observation
from differential.cases import UNTIL, Case
from differential.outcome import Outcome, from_embedded

__all__ = ["EmbeddedSide"]

_LIMIT_S = 90.0
_TRAP_S = 20.0
_LIFE_S = 3
"""How long a program that is struck would live: it need not wait until Argo has settled."""


class _RememberingController(ArgoController):
    """Argo's reducer, and the last state that it came to."""

    state: Any = None

    def start(self, submission: Submission) -> Decision:
        return self._keep(super().start(submission))

    def reduce(self, state: Any, observation: Observation) -> Decision:
        return self._keep(super().reduce(state, observation))

    def _keep(self, decision: Decision) -> Decision:
        self.state = decision.state
        return decision


class EmbeddedSide:
    """Runs one case after the other."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._inbox: queue.SimpleQueue[tuple[object, Any]] = queue.SimpleQueue()
        self._controller = _RememberingController()
        workspace = folder / "w"
        workspace.mkdir()
        self._substrate = EmbeddedSubstrate(
            self._inbox,
            workspace=workspace,
            run=f"differential-{folder.name}",
            nodes=2,
            controller=self._controller,
        )
        self._substrate.prepare()

    def run(self, case: Case, name: str, view: str | None = None) -> Outcome:
        """Run a case to its end.

        Raises:
            ScenarioError: its document is refused.
        """
        until = f"{clock.utc_now().timestamp() + _LIFE_S:.0f}"
        entries: Sequence[Entry] = self._substrate.submit(
            Submission(
                name=name,
                workflow_file=case.write(self._folder),
                parameters={} if case.way is None else {UNTIL: until},
                overlay=(),
                logs=self._folder / "logs",
            )
        )
        try:
            return self._follow(case, entries, view)
        finally:
            self._substrate.finish()

    def _follow(self, case: Case, entries: Sequence[Entry], view: str | None) -> Outcome:
        deadline = clock.Deadline(f"end of {case.name}", _LIMIT_S)
        struck = case.way is None
        while self._substrate.finished is None:
            for started in _started(entries):
                if not struck:
                    struck = True
                    self._strike(started, case.way or "", view or "")
            assert not deadline.passed, f"{case.name} did not end here within {_LIMIT_S:g} s"
            entries = [*self._receive(), *self._substrate.tick(clock.monotonic_ns())]
        assert struck, f"no pod of {case.name} was struck"
        return from_embedded(self._substrate.finished, self._controller.state.vertices)

    def _receive(self) -> Sequence[Entry]:
        due_ns = self._substrate.due_ns
        left_s = 1.0 if due_ns is None else (due_ns - clock.monotonic_ns()) / 1e9
        try:
            _, message = self._inbox.get(timeout=min(1.0, max(0.0, left_s)))
        except queue.Empty:
            return ()
        return self._substrate.handle(message)

    def _strike(self, pod: PodStarted, way: str, view: str) -> None:
        if way == "delete-exit-0":
            deadline = clock.Deadline(f"the trap of the shell in pod {pod.uid}", _TRAP_S)
            assert clock.wait_until(lambda: _traps_sigterm(pod.pid), deadline), deadline.what
        match way:
            case "delete" | "delete-exit-0":
                self._substrate.delete_pod(pod.uid, by="i1", view=view)
            case "force":
                self._substrate.delete_pod(pod.uid, by="i1", view=view, force=True)
            case "evict":
                self._substrate.evict_pod(pod.uid, by="i1", view=view)
            case "kill":
                os.kill(pod.pid, signal.SIGKILL)

    def close(self) -> None:
        self._substrate.close()


def _traps_sigterm(pid: int) -> bool:
    """Tell whether a process is a shell that has set its trap: before that SIGTERM ends it."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    caught = int(fields["SigCgt"], 16) >> (signal.SIGTERM - 1) & 1
    return fields["Name"] == "sh" and caught == 1


def _started(entries: Sequence[Entry]) -> list[PodStarted]:
    emissions = [one for one in entries if isinstance(one, Emission)]
    return [one.data for one in emissions if isinstance(one.data, PodStarted)]
