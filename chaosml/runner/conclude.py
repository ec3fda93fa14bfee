"""From a run directory to a judgement and its reports; needs nothing that runs.

The inputs of the run are kept beside the histories, so that judging again, with the
same versions, gives the same bytes.
"""

from __future__ import annotations

import importlib.metadata
import pathlib
import platform
import shlex
from typing import TypeVar

import msgspec

from chaosml import history
from chaosml.checkers import judge
from chaosml.errors import HistoryError, ShadowError
from chaosml.faults.catalogue import option_models
from chaosml.plan.model import Plan
from chaosml.reports import files
from chaosml.runner import shadows
from chaosml.runner.options import RunOptions, RunResult
from chaosml.scenario import load as scenario_load
from chaosml.scenario.load import LoadedScenario
from chaosml.store.directory import RunDirectory
from chaosml.timeline.collect import build
from chaosml.timeline.model import Timeline
from chaosml.verdict import ExecutionSummary, Judgement

__all__ = [
    "conclude",
    "needs_more_controls",
    "refuse_unreachable",
    "rejudge",
    "reload",
    "replay_command",
    "save_inputs",
    "summarize",
    "versions",
]

_Document = TypeVar("_Document", bound=msgspec.Struct)
_LIBRARIES = ("numpy", "boto3", "moto", "aiohttp", "pydantic", "msgspec")


class _Invocation(msgspec.Struct, frozen=True, kw_only=True):
    """`invocation.json`: what, besides the scenario's text, made the run what it is."""

    schema: int = 1
    set_values: dict[str, str]
    pipeline: str
    substrate: str
    versions: dict[str, str]
    replay: str
    policies: dict[str, str]
    """Retry policy by task, for the words of the verdicts."""


def save_inputs(
    directory: RunDirectory, loaded: LoadedScenario, plan: Plan, options: RunOptions
) -> None:
    """Write scenario, workflow, plan and invocation into a new run directory.

    Raises:
        HistoryError: the disk refuses.
    """
    invocation = _Invocation(
        set_values=dict(loaded.set_values),
        pipeline=loaded.workflow.path.name,
        substrate=options.on,
        versions=versions(),
        replay=replay_command(loaded, options),
        policies=_policies(loaded),
    )
    directory.write("scenario.yaml", loaded.path.read_bytes())
    directory.write("workflow.yaml", loaded.workflow.path.read_bytes())
    directory.write("plan.json", msgspec.json.format(msgspec.json.encode(plan)))
    directory.write("invocation.json", msgspec.json.format(msgspec.json.encode(invocation)))


def versions() -> dict[str, str]:
    """Return the versions of the tool and of what it stands on."""
    found = {"chaosml": importlib.metadata.version("chaosml"), "python": platform.python_version()}
    return found | {name: importlib.metadata.version(name) for name in _LIBRARIES}


def replay_command(loaded: LoadedScenario, options: RunOptions) -> str:
    """Return the command that runs the same plan again."""
    words = ["chaosml", "run", str(loaded.path), "--seed", str(loaded.scenario.seed)]
    if options.on != "embedded":
        words += ["--on", options.on]
    chosen = {
        "--context": options.context,
        "--namespace": options.namespace,
        "--image": options.image,
        "--toxiproxy-image": options.toxiproxy_image,
        "--pipeline": options.pipeline,
        "--trials": options.trials,
    }
    for name, choice in chosen.items():
        if choice is not None:
            words += [name, str(choice)]
    for path, value in sorted(options.set_values.items()):
        words += ["--set", f"{path}={value}"]
    return shlex.join(words)


def _policies(loaded: LoadedScenario) -> dict[str, str]:
    """Return the effective retry policy of every task, as Argo decides it."""
    return dict(loaded.workflow.retry_policies())


def rejudge(path: pathlib.Path) -> RunResult:
    """Judge a run directory again and write its reports anew.

    Raises:
        HistoryError: it is no run directory, or what it holds cannot be read.
        ShadowError: an execution showed what our reducer cannot reach; the reports are written.
    """
    result = conclude(RunDirectory.open(path), interrupted=None)
    refuse_unreachable(result)
    return result


def conclude(directory: RunDirectory, *, interrupted: bool | None) -> RunResult:
    """Judge what a run directory holds and write the reports.

    Args:
        directory: The run directory.
        interrupted: Whether the run was cut short; None: as its histories say.
    """
    invocation = _read(directory, "invocation.json", _Invocation)
    plan = _read(directory, "plan.json", Plan)
    loaded = _reload(directory, invocation)
    controls, trials = _timelines(directory, loaded)
    judgement = judge.judge(
        loaded.scenario,
        plan,
        controls,
        trials,
        run=directory.run,
        pipeline=invocation.pipeline,
        substrate=invocation.substrate,
        versions=invocation.versions,
        replay=invocation.replay,
        policies=invocation.policies,
        interrupted=interrupted,
    )
    files.write_all(directory, judgement)
    unreachable = shadows.judge_run(directory, invocation.versions)
    directory.write("scorecard.html", _page(directory, judgement))
    return RunResult(judgement, directory.path, unreachable)


def _page(directory: RunDirectory, judgement: Judgement) -> bytes:
    # Templates cost a tenth of a second to import, which `chaosml plan` need not pay.
    from chaosml.scorecard import alone

    return alone.page_of(directory.path, judgement)


def refuse_unreachable(result: RunResult) -> None:
    """Refuse a result that rests on a reducer which is not Argo; an interrupted run stays that.

    Raises:
        ShadowError: an execution showed what our reducer cannot reach.
    """
    if result.unreachable is not None and not result.judgement.interrupted:
        reports = f"the reports are in {result.directory}"
        raise ShadowError(f"{result.unreachable}\n{reports}")


def summarize(
    directory: RunDirectory, loaded: LoadedScenario, path: pathlib.Path
) -> ExecutionSummary:
    """Return what one execution's own history says, in figures."""
    controls, _ = _timelines(directory, loaded)
    return judge.summary(_timeline(path, loaded), loaded.scenario, controls)


def needs_more_controls(directory: RunDirectory, loaded: LoadedScenario) -> bool:
    """Whether executions differ and too few controls have run to say why."""
    controls, trials = _timelines(directory, loaded)
    return judge.needs_more_controls(loaded.scenario, controls, trials)


def _reload(directory: RunDirectory, invocation: _Invocation) -> LoadedScenario:
    return scenario_load.load(
        directory.path / "scenario.yaml",
        catalogue=option_models(),
        set_values=invocation.set_values,
        pipeline=directory.path / "workflow.yaml",
        local=False,
        on_cluster=invocation.substrate != "embedded",
    )


def reload(directory: RunDirectory) -> LoadedScenario:
    """Return the scenario of a run directory, as it was when the run began.

    Raises:
        HistoryError: the directory does not hold it.
    """
    return _reload(directory, _read(directory, "invocation.json", _Invocation))


def _timelines(
    directory: RunDirectory, loaded: LoadedScenario
) -> tuple[list[Timeline], list[Timeline]]:
    controls = [_timeline(path, loaded) for path in directory.histories("control")]
    trials = [_timeline(path, loaded) for path in directory.histories("trial")]
    return controls, trials


def _timeline(path: pathlib.Path, loaded: LoadedScenario) -> Timeline:
    return build(history.read(path), loaded.scenario)


def _read(directory: RunDirectory, name: str, kind: type[_Document]) -> _Document:
    path = directory.path / name
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise HistoryError(f"{path}: cannot be read: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise HistoryError(f"{path}: is not what this version writes: {error}") from error
