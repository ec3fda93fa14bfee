"""A process that executes states, forked by the nursery of a sweep.

It reads the numbers of states from its connection, a line each, and writes a `StateResult`
for each. When nothing more comes, its parent dies or SIGTERM comes, it ends everything
that it started.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import pathlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from chaosml import clock, history
from chaosml.errors import ChaosmlError, Interrupted
from chaosml.runner import conclude
from chaosml.runner.interruption import Interruption
from chaosml.scenario.load import LoadedScenario
from chaosml.services.bucket_state import BucketLoader
from chaosml.store.directory import RunDirectory
from chaosml.substrates.protocol import Submission
from chaosml.sweep.ground import Ground, open_ground
from chaosml.sweep.judging import Judge
from chaosml.sweep.recording import Recording
from chaosml.sweep.result import StateResult, name_of
from chaosml.sweep.resumption import ResumingController
from chaosml.sweep.state_execution import Bench, StateExecution
from chaosml.sweep.store_state import Unbuildable, compose
from chaosml.timeline.collect import build
from chaosml.verdict import Status
from chaosml.workflow.views import View

__all__ = [
    "Assignment",
    "Laboratory",
    "Material",
    "Task",
    "load_inputs",
    "open_laboratory",
    "serve",
    "submission_of",
]


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """What all workers are told once."""

    directory: str
    scenario: str
    """Absolute path of the scenario file: interpreters of images are named relative to it."""
    workspace: str
    """Each worker gets a folder of its own below."""
    mark: str
    count: int
    """How many workers."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A state to execute."""

    state: int
    view: str


def load_inputs(assignment_directory: pathlib.Path, scenario: pathlib.Path) -> LoadedScenario:
    """Return the scenario of a sweep, whose relative paths mean what they meant.

    Raises:
        HistoryError: the directory does not hold it.
    """
    loaded = conclude.reload(RunDirectory(assignment_directory))
    return dataclasses.replace(loaded, path=scenario)


def submission_of(ground: Ground, recording: Recording, folder: pathlib.Path) -> Submission:
    """Return the recorded workflow, ready to be submitted on another ground."""
    composed = ground.composer.control(1, folder).submission
    return dataclasses.replace(
        composed,
        name=recording.header.workflow,
        parameters={**recording.header.parameters, **ground.ways.parameters},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What is read of a sweep's directory; the workers share it."""

    directory: RunDirectory
    loaded: LoadedScenario
    recording: Recording
    judge: Judge

    @classmethod
    def load(cls, assignment: Assignment) -> Material:
        """Read it.

        Raises:
            HistoryError: the recording cannot be read.
        """
        directory = RunDirectory(pathlib.Path(assignment.directory))
        loaded = load_inputs(directory.path, pathlib.Path(assignment.scenario))
        recording = Recording(directory, loaded.scenario)
        controls = [
            build(history.read(path), loaded.scenario) for path in directory.histories("control")
        ]
        judge = Judge(recording, controls, dict(loaded.workflow.retry_policies()))
        return cls(directory=directory, loaded=loaded, recording=recording, judge=judge)


class Laboratory:
    """Executes and judges one state after the other."""

    def __init__(self, material: Material, ground: Ground, bench: Bench) -> None:
        self._directory = material.directory
        self._ground = ground
        self._bench = bench
        self._scenario = material.loaded.scenario
        self.recording = material.recording
        self._judge = material.judge

    def execute(self, number: int, view: View) -> StateResult:
        """Execute a state; one that cannot be built or brought to its end is UNKNOWN.

        Raises:
            Interrupted: the user, or the parent, wants no more.
        """
        begun_ns = clock.monotonic_ns()
        try:
            path = self._run(number, view)
            timeline = build(history.read(path), self._scenario)
            wall_s = round((clock.monotonic_ns() - begun_ns) / 1e9, 3)
            return self._judge.result(number, view.value, timeline, wall_s=wall_s)
        except Interrupted:
            raise
        except Unbuildable as error:
            return _unknown(number, view, f"cannot be built: {error}")
        except ChaosmlError as error:
            return _unknown(number, view, f"could not be executed: {error}")

    def _run(self, number: int, view: View) -> pathlib.Path:
        state = self.recording.crashes.state(number)
        bucket = compose(self.recording, state.effects)
        name = name_of(number, view.value)
        folder = self._directory.renew_execution("state", name)
        path = folder / "history.jsonl"
        StateExecution(
            self._bench,
            self.recording,
            state,
            view=view,
            submission=submission_of(self._ground, self.recording, folder),
            bucket=bucket,
            path=path,
            name=f"state/{name}",
            deadline_s=self._scenario.deadline,
        ).run()
        return path


def _unknown(number: int, view: View, problem: str) -> StateResult:
    return StateResult(state=number, view=view.value, status=Status.UNKNOWN, problem=problem)


@contextlib.contextmanager
def open_laboratory(
    material: Material, *, workspace: pathlib.Path, mark: str
) -> Iterator[Laboratory]:
    """Start what a worker needs; end it, whatever happens.

    Raises:
        HarnessError: it cannot be started.
    """
    workspace.mkdir(parents=True, exist_ok=True)
    controller = ResumingController()
    with (
        open_ground(
            material.loaded,
            material.directory,
            workspace=workspace,
            mark=mark,
            logs=workspace,
            controller=controller,
            fingerprint={},
            short_lived=True,
        ) as ground,
        Interruption(ground.inbox) as interruption,
    ):
        store_url = ground.services.endpoints.store_url
        bench = Bench(
            substrate=ground.substrate,
            controller=controller,
            services=ground.services,
            loader=BucketLoader(store_url, material.recording.body),
            inbox=ground.inbox,
            check=interruption.check,
        )
        yield Laboratory(material, ground, bench)


def serve(
    material: Material, connection: io.BufferedRWPair, *, workspace: pathlib.Path, mark: str
) -> int:
    """Execute what is asked for until nothing more comes; return the exit code."""
    try:
        with open_laboratory(material, workspace=workspace, mark=mark) as laboratory:
            while line := connection.readline():
                task = msgspec.json.decode(line, type=Task)
                result = laboratory.execute(task.state, View(task.view))
                connection.write(msgspec.json.encode(result) + b"\n")
                connection.flush()
    except Interrupted as error:
        return error.exit_code
    except ChaosmlError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0
