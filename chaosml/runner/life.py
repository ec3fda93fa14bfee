"""The life of a run, top to bottom.

load ─► plan ─► directory ─► services and substrate ─► controls ─► trials
     ─► further controls while executions disagree ─► judge ─► reports
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import queue
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from chaosml import clock
from chaosml.cluster.api import require_client
from chaosml.errors import HarnessError, Interrupted, UsageError
from chaosml.faults.catalogue import (
    CATALOGUE,
    hold_s_of,
    missing_capabilities,
    missing_library,
    needed_capabilities,
    option_models,
)
from chaosml.faults.commanding import CommandedOptions
from chaosml.plan.build import build
from chaosml.plan.model import Option, Plan
from chaosml.reports.progress import Progress
from chaosml.runner import cluster_templates, conclude, fingerprint, recovery, shadows
from chaosml.runner.execution import Execution, Setup
from chaosml.runner.ground import started
from chaosml.runner.interruption import Interruption
from chaosml.runner.options import RunOptions, RunResult
from chaosml.runner.programs import Host
from chaosml.runner.setup import Composer
from chaosml.runner.ways import is_proxied, open_ways
from chaosml.scenario import load as scenario_load
from chaosml.scenario.load import LoadedScenario
from chaosml.services.client import Services
from chaosml.store.directory import Owner, RunDirectory
from chaosml.store.owner import Place
from chaosml.substrates.embedded.leftovers import marks
from chaosml.substrates.embedded.pods import base_environment
from chaosml.substrates.embedded.substrate import EmbeddedSubstrate
from chaosml.substrates.protocol import (
    DrainsNodes,
    GuardsNodes,
    StopsNodes,
    Substrate,
    WatchesDrains,
)
from chaosml.workflow.reducer import has_file_outputs

__all__ = ["mark_of", "own_workspace", "plan", "refuse_missing", "run", "secrets_of"]

_AT_NODES: frozenset[type] = frozenset({DrainsNodes, StopsNodes, WatchesDrains})
_Inbox = queue.SimpleQueue[tuple[object, Any]]


def plan(path: pathlib.Path, options: RunOptions) -> tuple[LoadedScenario, Plan]:
    """Load a scenario and plan its run, without running anything.

    Raises:
        ScenarioError: every problem of the scenario and its workflow.
        UsageError: an option does not fit.
    """
    loaded = _load(path, options)
    scenario = loaded.scenario
    views: dict[str, tuple[str | None, ...]] = {}
    scalars: dict[str, Mapping[str, Option]] = {}
    holds: dict[str, float] = {}
    for fault in scenario.faults:
        kind, chosen = CATALOGUE[fault.inject], loaded.options[fault.name]
        has_outputs = has_file_outputs(loaded.workflow.model, fault.target.task)
        legal = kind.views(chosen, has_outputs=has_outputs)
        wanted = fault.views
        views[fault.name] = tuple(
            view for view in legal if wanted is None or view is None or view in wanted
        )
        scalars[fault.name] = chosen.model_dump(mode="json", by_alias=True)
        if (hold_s := hold_s_of(kind, chosen)) is not None:
            holds[fault.name] = hold_s
    return loaded, build(scenario, views=views, options=scalars, holds=holds)


def _load(path: pathlib.Path, options: RunOptions) -> LoadedScenario:
    values = dict(options.set_values)
    if options.trials is not None:
        values["trials"] = str(options.trials)
    if options.seed is not None:
        values["seed"] = str(options.seed)
    return scenario_load.load(
        path,
        catalogue=option_models(),
        set_values=values,
        pipeline=options.pipeline,
        legal=_legal_views,
        local=options.on == "embedded",
        on_cluster=options.on != "embedded",
    )


def _legal_views(inject: str, options: Any, has_outputs: bool) -> tuple[str, ...]:
    views = CATALOGUE[inject].views(options, has_outputs=has_outputs)
    return tuple(view for view in views if view is not None)


def run(path: pathlib.Path, options: RunOptions, progress: Progress) -> RunResult:
    """Run a scenario and judge it.

    Raises:
        UsageError: the scenario or the options are wrong; nothing was started.
        HarnessError: the environment failed; what was recorded stays readable.
        ShadowError: a real Argo showed what our reducer cannot reach; the reports are written.
    """
    with cluster_templates.completed(path, options) as complete:
        loaded, planned = plan(path, complete)
        return _run(loaded, planned, options, progress)


def _run(
    loaded: LoadedScenario, planned: Plan, options: RunOptions, progress: Progress
) -> RunResult:
    _refuse_unready(loaded, options.place)
    recovery.recover(options.reports, progress.notice)
    directory = RunDirectory.create(options.reports, loaded.scenario.metadata.name, clock.utc_now())
    conclude.save_inputs(directory, loaded, planned, options)
    progress.run_started(loaded.scenario, planned, directory.path)
    interrupted = _execute(loaded, planned, directory, options, progress)
    result = conclude.conclude(directory, interrupted=interrupted)
    progress.judged(result.judgement, directory.path)
    conclude.refuse_unreachable(result)
    return result


def _execute(
    loaded: LoadedScenario,
    planned: Plan,
    directory: RunDirectory,
    options: RunOptions,
    progress: Progress,
) -> bool:
    """Carry out the plan; return whether the user cut it short."""
    inbox: _Inbox = queue.SimpleQueue()
    with (
        Interruption(inbox) as interruption,
        own_workspace(directory, options.place) as workspace,
        _environment(loaded, options, directory, workspace, inbox, progress.notice) as (
            substrate,
            services,
        ),
    ):
        refuse_missing(loaded, substrate)
        ways = open_ways(loaded, services)
        threads = base_environment(pathlib.Path(sys.executable))
        executions = _Executions(
            composer=Composer(
                loaded=loaded,
                run=directory.run,
                endpoints=services.endpoints,
                fingerprint=fingerprint.take(threads),
                substrate=substrate.name,
                deadline_s=loaded.scenario.deadline,
                secrets=secrets_of(loaded),
                ways=ways,
            ),
            directory=directory,
            loaded=loaded,
            progress=progress,
            execute=lambda setup: Execution(
                setup,
                substrate=substrate,
                services=services,
                inbox=inbox,
                interruption=interruption,
                progress=progress,
                ways=ways,
                host=Host(
                    folder=loaded.path.absolute().parent,
                    marks=marks(mark_of(directory)),
                    place=options.place,
                ),
            ),
        )
        try:
            executions.run(planned)
        except Interrupted as error:
            progress.notice(f"{error}: faults are healed, judging what was recorded")
            return True
    return False


@contextlib.contextmanager
def own_workspace(directory: RunDirectory, place: Place | None) -> Iterator[pathlib.Path]:
    """Own the run directory and a private temporary folder while the run lives."""
    # Named before it is made, so that a death in between leaves nothing that nobody knows of.
    workspace = _temporary_folder() / f"chaosml-{os.getpid()}-{directory.run}"
    directory.own(Owner.here(workspace=workspace, run=mark_of(directory), place=place))
    try:
        _make(workspace)
        yield workspace
    finally:
        shutil.rmtree(workspace, ignore_errors=True)
        directory.disown()


def _temporary_folder() -> pathlib.Path:
    """Return the folder that TMPDIR names: `tempfile` takes another one without a word."""
    if named := os.environ.get("TMPDIR"):
        return pathlib.Path(named).absolute()
    try:
        return pathlib.Path(tempfile.gettempdir())
    except OSError as error:
        raise HarnessError(f"no folder for temporary files: {error}; set TMPDIR") from error


def _make(workspace: pathlib.Path) -> None:
    try:
        workspace.mkdir(mode=0o700)
    except OSError as error:
        raise HarnessError(
            f"cannot make the temporary folder {workspace}: {error.strerror}; set TMPDIR"
        ) from error


def mark_of(directory: RunDirectory) -> str:
    """Return the mark of this run's processes: unique on this host, also between two runs."""
    return f"{directory.path.parent.name}-{directory.run}-{os.getpid()}"


@contextlib.contextmanager
def _environment(
    loaded: LoadedScenario,
    options: RunOptions,
    directory: RunDirectory,
    workspace: pathlib.Path,
    inbox: _Inbox,
    tell: Callable[[str], None],
) -> Iterator[tuple[Substrate, Services]]:
    """Start services and substrate; end both, whatever happens."""
    mark = mark_of(directory)
    if options.on != "embedded":
        # Imported here: the client of Kubernetes is an extra.
        from chaosml.runner.cluster_environment import open_cluster

        with open_cluster(
            options,
            run=mark,
            directory=directory.path,
            toxiproxy=is_proxied(loaded),
            handler=_is_drained_by_others(loaded),
            inbox=inbox,
            tell=tell,
        ) as opened:
            yield opened
        return
    substrate = EmbeddedSubstrate(
        inbox, workspace=workspace, run=mark, nodes=loaded.scenario.embedded.nodes
    )
    services = Services(
        inbox,
        run=mark,
        directory=directory.path,
        store_url=options.store_url,
        toxiproxy=is_proxied(loaded),
        seed=loaded.scenario.seed,
    )
    with started(services, substrate):
        yield substrate, services


def _refuse_unready(loaded: LoadedScenario, place: Place | None) -> None:
    """Refuse what needs a library or variable that is not there, before a folder is made for it.

    Raises:
        HarnessError: which library, and how it is had.
        UsageError: which variable.
    """
    if place is not None:
        require_client()
    for fault in loaded.scenario.faults:
        options = loaded.options[fault.name]
        for variable in options.variables() if isinstance(options, CommandedOptions) else ():
            if variable not in os.environ:
                raise UsageError(
                    f"fault {fault.name!r} ({fault.inject}): the environment variable "
                    f"{variable!r} is not set; export it"
                )
        missing = missing_library(CATALOGUE[fault.inject])
        if missing is not None:
            raise HarnessError(f"fault {fault.name!r} ({fault.inject}): {missing}")


def refuse_missing(loaded: LoadedScenario, substrate: Substrate) -> None:
    """Refuse a scenario with a fault that the substrate cannot inject.

    Raises:
        UsageError: what is missing, and for which fault.
    """
    for fault in loaded.scenario.faults:
        kind, options = CATALOGUE[fault.inject], loaded.options[fault.name]
        missing = missing_capabilities(kind, substrate, options)
        if missing:
            raise UsageError(
                f"fault {fault.name!r} ({fault.inject}) needs {', '.join(missing)}, "
                f"which the substrate {substrate.name!r} does not have; see docs/faults.md"
            )
        at_nodes = _AT_NODES.intersection(needed_capabilities(kind, options))
        if at_nodes and isinstance(substrate, GuardsNodes):
            substrate.check_nodes()


def _is_drained_by_others(loaded: LoadedScenario) -> bool:
    return any(
        WatchesDrains in needed_capabilities(CATALOGUE[fault.inject], loaded.options[fault.name])
        for fault in loaded.scenario.faults
    )


def secrets_of(loaded: LoadedScenario) -> dict[str, dict[str, str]]:
    """Return the values of the embedded secrets; `load` has checked that each is set."""
    return {
        secret: {key: os.environ.get(variable, "") for key, variable in keys.items()}
        for secret, keys in loaded.scenario.embedded.secrets.items()
    }


@dataclasses.dataclass(slots=True)
class _Executions:
    """Controls, trials, and further controls while executions disagree."""

    composer: Composer
    directory: RunDirectory
    loaded: LoadedScenario
    progress: Progress
    execute: Callable[[Setup], Execution]

    def run(self, planned: Plan) -> None:
        controls = planned.controls
        for number in range(1, controls + 1):
            self._control(number)
        for trial in planned.trials:
            folder = self.directory.execution("trial", trial.trial)
            self._one(self.composer.trial(trial, folder), trial.case.name)
        while controls < planned.controls_max and conclude.needs_more_controls(
            self.directory, self.loaded
        ):
            controls += 1
            self.progress.notice(
                f"executions differ: control {controls} shows whether the pipeline itself varies"
            )
            self._control(controls)

    def _control(self, number: int) -> None:
        folder = self.directory.execution("control", number)
        self._one(self.composer.control(number, folder), None)

    def _one(self, setup: Setup, case: str | None) -> None:
        name = setup.header.execution
        self.progress.execution_started(name, case, setup.header.deadline_s)
        summary = None
        try:
            self.execute(setup).run()
            summary = conclude.summarize(self.directory, self.loaded, setup.history)
        finally:
            self.progress.execution_ended(name, summary)
        unreachable = shadows.judge_execution(self.directory, name, setup.history.parent)
        if unreachable is not None:
            self.progress.notice(f"{unreachable}; the run goes on, and will end with exit code 4")
