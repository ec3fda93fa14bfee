"""The life of a sweep, top to bottom.

load ─► directory ─► recording: controls, the first one kept ─► states, side by side
     ─► kills ─► report
"""

from __future__ import annotations

import os
import pathlib
import random
import sys

import msgspec

from chaosml import clock, history
from chaosml.errors import Interrupted, UsageError
from chaosml.plan.model import Plan
from chaosml.runner import conclude as run_conclusion
from chaosml.runner import fingerprint, recovery
from chaosml.runner.interruption import Interruption
from chaosml.runner.life import mark_of, own_workspace
from chaosml.runner.life import plan as plan_run
from chaosml.runner.options import RunOptions
from chaosml.scenario.load import LoadedScenario
from chaosml.store.directory import RunDirectory
from chaosml.substrates.embedded.pods import base_environment
from chaosml.sweep import documents
from chaosml.sweep.conclusion import Circumstances, conclude
from chaosml.sweep.ground import open_ground
from chaosml.sweep.journal import Journal
from chaosml.sweep.judging import Judge
from chaosml.sweep.kills import Kills
from chaosml.sweep.margins import measure
from chaosml.sweep.nursery import Nursery
from chaosml.sweep.options import SweepOptions, SweepResult
from chaosml.sweep.points import CrashMap
from chaosml.sweep.pool import Pool
from chaosml.sweep.recording import Recording, keep
from chaosml.sweep.result import KillResult, StateResult
from chaosml.sweep.resumption import RecordingController
from chaosml.sweep.telling import Teller
from chaosml.sweep.worker import Assignment, Task, load_inputs
from chaosml.timeline.collect import build
from chaosml.timeline.model import Timeline

__all__ = ["sweep"]

_CONTROLS = 3
"""As many as it takes to call a difference a defect."""


def sweep(
    path: pathlib.Path, options: RunOptions, choices: SweepOptions, teller: Teller
) -> SweepResult:
    """Record a control and test recovery from a crash at every point of it.

    Raises:
        UsageError: the scenario or an option is wrong; nothing was started.
        HarnessError: the environment failed; what was tested stays in the journal.
    """
    if options.on != "embedded":
        raise UsageError(
            f"a sweep builds crash states in the embedded store; --on {options.on} has none"
        )
    loaded, planned = plan_run(path, options)
    recovery.recover(options.reports, teller.notice)
    if choices.resume is None:
        directory = _create(loaded, planned, options)
    else:
        directory = _take_up(choices.resume, loaded)
    interrupted = False
    with (
        Nursery(_workers(choices)) as nursery,
        own_workspace(directory, None) as workspace,
    ):
        run = _Sweep(loaded, options, choices, directory, workspace, nursery, teller)
        try:
            run.execute()
        except Interrupted as error:
            interrupted = True
            if not run.is_recorded:
                raise
            teller.notice(f"{error}: what was tested until now is reported; resume with --resume")
    return run.conclude(interrupted=interrupted)


def _create(loaded: LoadedScenario, planned: Plan, options: RunOptions) -> RunDirectory:
    name = f"{loaded.scenario.metadata.name}-sweep"
    directory = RunDirectory.create(options.reports, name, clock.utc_now())
    without_trials = msgspec.structs.replace(planned, trials=(), undealt=planned.cases)
    run_conclusion.save_inputs(directory, loaded, without_trials, options)
    return directory


def _take_up(path: pathlib.Path, loaded: LoadedScenario) -> RunDirectory:
    directory = RunDirectory.open(path)
    before = load_inputs(directory.path, loaded.path)
    same = before.scenario == loaded.scenario and (
        before.workflow.path.read_bytes() == loaded.workflow.path.read_bytes()
    )
    if not same:
        raise UsageError(
            f"{directory.path} was swept with another scenario, workflow or --set values: sweep "
            "anew, or resume with the same"
        )
    if not (directory.path / _COMPLETE).is_file():
        raise UsageError(
            f"{directory.path} was cut short before its recording was complete: sweep anew"
        )
    if (owner := directory.owner) is not None and owner.is_alive:
        raise UsageError(f"{directory.path}: process {owner.pid} is sweeping there")
    return directory


_COMPLETE = "recording/complete"
"""There once every control has run."""


def _workers(choices: SweepOptions) -> int:
    processors = len(os.sched_getaffinity(0))
    # A state's pod, gate and kubelet wait for one another; another state fills the gaps.
    return choices.workers or processors + processors // 2


class _Sweep:
    """One sweep in its directory."""

    def __init__(
        self,
        loaded: LoadedScenario,
        options: RunOptions,
        choices: SweepOptions,
        directory: RunDirectory,
        workspace: pathlib.Path,
        nursery: Nursery,
        teller: Teller,
    ) -> None:
        self._loaded = loaded
        self._options = options
        self._choices = choices
        self._directory = directory
        self._workspace = workspace
        self._nursery = nursery
        self._teller = teller
        self._states = Journal(directory.path / "states.jsonl", StateResult)
        self._kills = Journal(directory.path / "kills.jsonl", KillResult)
        self._wall_s = 0.0
        self._executed = 0

    @property
    def is_recorded(self) -> bool:
        """Whether there is something to conclude from."""
        return (self._directory.path / _COMPLETE).is_file()

    def execute(self) -> None:
        """Record, unless that was done; test what was not tested yet.

        Raises:
            Interrupted: the user wants no more.
        """
        if not self.is_recorded:
            self._record()
        recording = self._read()
        chosen = self._choose(recording.crashes)
        self._teller.recorded(recording.crashes, len(recording.effects), self._directory.path)
        self._test(recording.crashes, chosen)
        if self._choices.kills:
            self._kill(recording, chosen)

    def _record(self) -> None:
        """Run the controls; keep everything of the first."""
        controller = RecordingController()
        environment = base_environment(pathlib.Path(sys.executable))
        with (
            open_ground(
                self._loaded,
                self._directory,
                workspace=self._workspace / "controls",
                mark=mark_of(self._directory),
                logs=self._directory.path,
                controller=controller,
                fingerprint=fingerprint.take(environment),
                short_lived=False,
            ) as ground,
            Interruption(ground.inbox) as interruption,
        ):
            for number in range(1, max(_CONTROLS, self._loaded.scenario.controls) + 1):
                self._teller.notice(f"control {number}")
                folder = self._directory.execution("control", number)
                setup = ground.composer.control(number, folder)
                ground.execute(setup, interruption)
                if number == 1:
                    store_url = ground.services.endpoints.store_url
                    keep(self._directory, store_url, setup.bucket, controller.course)
        self._directory.write(_COMPLETE, b"")

    def _read(self) -> Recording:
        return Recording(self._directory, self._loaded.scenario)

    def _choose(self, crashes: CrashMap) -> frozenset[int]:
        """Return the numbers of the points to test.

        Raises:
            UsageError: there is no such point.
        """
        numbers = [point.number for point in crashes.points]
        point, sample = self._choices.point, self._choices.sample
        if point is not None:
            if point not in numbers:
                raise UsageError(
                    f"there is no point {point}: the recording has 1 to {len(numbers)}"
                )
            return frozenset({point})
        if sample is not None and sample < len(numbers):
            chance = random.Random(f"{self._loaded.scenario.seed}/sample")
            return frozenset(chance.sample(numbers, sample))
        return frozenset(numbers)

    def _tasks(self, crashes: CrashMap, chosen: frozenset[int]) -> list[Task]:
        wanted = sorted({state for number in chosen for state in crashes.point(number).states})
        done = {(result.state, result.view) for result in self._states.read()}
        return [
            Task(state=state, view=view.value)
            for view in self._choices.views
            for state in wanted
            if (state, view.value) not in done
        ]

    def _test(self, crashes: CrashMap, chosen: frozenset[int]) -> None:
        self._states.mend()
        tasks = self._tasks(crashes, chosen)
        workers = self._workers(len(tasks))
        self._teller.began(len(tasks), workers)
        pool = Pool(self._nursery, self._assignment(workers))
        begun_ns = clock.monotonic_ns()
        try:
            for result in pool.run(tasks):
                self._states.append(result)
                self._executed += 1
                first = crashes.state(result.state).points[0]
                self._teller.tested(result, crashes.point(first).name)
        finally:
            self._wall_s = (clock.monotonic_ns() - begun_ns) / 1e9

    def _workers(self, tasks: int) -> int:
        return max(1, min(_workers(self._choices), tasks))

    def _assignment(self, workers: int) -> Assignment:
        return Assignment(
            directory=str(self._directory.path),
            scenario=str(self._loaded.path.absolute()),
            workspace=str(self._workspace),
            mark=mark_of(self._directory),
            count=workers,
        )

    def _kill(self, recording: Recording, chosen: frozenset[int]) -> None:
        self._kills.mend()
        kills = Kills(
            recording,
            self._loaded,
            self._directory,
            workspace=self._workspace / "kills",
            mark=mark_of(self._directory),
            results=self._states.read(),
            judge=self._judge(recording),
        )
        done = {result.point for result in self._kills.read()}
        points = kills.choose(chosen, self._choices.kills, self._loaded.scenario.seed)
        for result in kills.run([point for point in points if point.number not in done]):
            self._kills.append(result)
            self._teller.killed(result)

    def _judge(self, recording: Recording) -> Judge:
        policies = dict(self._loaded.workflow.retry_policies())
        return Judge(recording, self._controls(), policies)

    def _controls(self) -> list[Timeline]:
        paths = self._directory.histories("control")
        return [build(history.read(path), self._loaded.scenario) for path in paths]

    def conclude(self, *, interrupted: bool) -> SweepResult:
        """Write the reports and return them.

        Raises:
            HistoryError: the disk refuses.
        """
        recording = self._read()
        chosen = self._choose(recording.crashes)
        wanted = {state for number in chosen for state in recording.crashes.point(number).states}
        views = tuple(view.value for view in self._choices.views)
        results = [one for one in self._states.read() if one.state in wanted and one.view in views]
        report = conclude(
            recording,
            self._judge(recording).controls(),
            results,
            self._kills.read(),
            measure(
                recording.scenario,
                recording.contract,
                self._controls(),
                interruptions=sum(one.interruptions for one in results),
                errors=sum(one.errors for one in results),
            ),
            Circumstances(
                run=self._directory.run,
                pipeline=self._loaded.workflow.path.name,
                views=views,
                chosen=chosen,
                interrupted=interrupted,
                wall_s=self._wall_s,
                workers=self._workers(self._executed),
                versions=run_conclusion.versions(),
                command=self._command(),
            ),
        )
        documents.write_all(self._directory, report)
        return SweepResult(report, self._directory.path)

    def _command(self) -> tuple[str, ...]:
        words = ["chaosml", "sweep", str(self._loaded.path)]
        words += ["--seed", str(self._loaded.scenario.seed)]
        if self._options.pipeline is not None:
            words += ["--pipeline", str(self._options.pipeline)]
        for path, value in sorted(self._options.set_values.items()):
            words += ["--set", f"{path}={value}"]
        if self._choices.views != SweepOptions().views:
            words += [word for view in self._choices.views for word in ("--view", view.value)]
        return tuple(words)
