"""The life of `chaosml init`, top to bottom.

subject ─► draft scenario ─► watched once ─► guesses ─► scenario ─► loaded, to be sure ─► files
"""

from __future__ import annotations

import os
import pathlib
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from chaosml.document import display_path
from chaosml.errors import ScenarioError, UsageError
from chaosml.scaffold import hints, workflow_file
from chaosml.scaffold.guesses import ArtifactGuess, guess
from chaosml.scaffold.scenario_text import Draft, render
from chaosml.scaffold.strikes import choose
from chaosml.scaffold.subject import Subject
from chaosml.scaffold.training_command import TrainingCommand
from chaosml.scaffold.watch import watch
from chaosml.scaffold.watched import Watched

__all__ = ["Request", "Written", "from_command", "from_workflow"]

_EVERYTHING = (
    (r".*\.npz", "npz"),
    (r".*\.safetensors", "safetensors"),
    (r".*\.json", "json"),
    (r".*\.(?:pt|pth|ckpt|bin)", "torch"),
    (r".*", "bytes"),
)
"""Patterns and formats of a contract that reads whatever there is."""
_FILES_TOLD = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the user wants."""

    output: pathlib.Path | None = None
    name: str | None = None
    force: bool = False
    timeout_s: float = 120.0
    reports: pathlib.Path = pathlib.Path("reports")


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was written, and what there is to say about it."""

    scenario: pathlib.Path
    workflow: pathlib.Path | None
    """The workflow document that was written beside it; None where there was one."""
    draft: Draft
    notes: tuple[str, ...]


def from_command(
    argv: Sequence[str],
    environment: Mapping[str, str],
    request: Request,
    tell: Callable[[str], None],
) -> Written:
    """Watch a training command once and write its workflow and scenario.

    Raises:
        UsageError: the command cannot be run, fails, hangs or stores nothing; or a file is there.
        HarnessError: the environment failed.
    """
    command = TrainingCommand.parse(argv, environment, pathlib.Path.cwd(), request.name)
    scenario = request.output or pathlib.Path(f"{command.name}.chaos.yaml")
    workflow = scenario.parent / f"{command.name}.workflow.yaml"
    _refuse_existing((scenario, workflow), request.force)
    with tempfile.TemporaryDirectory(prefix="chaosml-init-") as folder:
        draft_file = pathlib.Path(folder) / "draft.yaml"
        file = pathlib.Path(folder) / "workflow.yaml"
        file.write_text(command.workflow(retried=False), encoding="utf-8")
        subject = command.subject(file, draft_file)
        draft_file.write_text(_draft_for_watching(subject), encoding="utf-8")
        tell(f"running it once, undisturbed: {command.text}")
        watched = watch(
            draft_file,
            request.reports,
            timeout_s=request.timeout_s,
            tell=tell,
            folder=command.folder,
        )
    _refuse_useless(command, watched, request.timeout_s)
    subject = command.subject(workflow, scenario)
    return _write(subject, watched, request, scenario, command.workflow())


def from_workflow(
    path: pathlib.Path, request: Request, tell: Callable[[str], None], *, watched: bool
) -> Written:
    """Read a workflow, run it once if it shall be `watched`, and write a scenario for it.

    Raises:
        ScenarioError: everything for which it cannot be run embedded, with its place.
        UsageError: a file is there already.
        HarnessError: the environment failed.
    """
    converted = workflow_file.as_workflow(path)
    name = request.name or _name_of(path)
    scenario = request.output or pathlib.Path(f"{name}.chaos.yaml")
    workflow = path if converted is None else scenario.parent / f"{name}.workflow.yaml"
    _refuse_existing((scenario, *(() if converted is None else (workflow,))), request.force)
    with tempfile.TemporaryDirectory(prefix="chaosml-init-") as folder:
        file = path.absolute()
        if converted is not None:
            file = pathlib.Path(folder) / path.name
            file.write_text(converted.text, encoding="utf-8")
        subject = _read(file, name, display_path(path), converted)
        seen = None
        if watched:
            draft_file = pathlib.Path(folder) / "draft.yaml"
            draft_file.write_text(_draft_for_watching(subject), encoding="utf-8")
            tell(f"running it once, undisturbed: {display_path(path)}")
            seen = watch(draft_file, request.reports, timeout_s=request.timeout_s, tell=tell)
            _refuse_unfinished(display_path(path), seen, request.timeout_s)
        texts = list(workflow_file.texts_of(file))
    subject = replace(subject, workflow=workflow)
    text = None if converted is None else converted.text
    return _write(subject, seen, request, scenario, text, texts)


def _read(
    file: pathlib.Path, name: str, source: str, converted: workflow_file.Converted | None
) -> Subject:
    """Read a workflow; what is wrong with one that was converted stands in its original."""
    try:
        return workflow_file.read_subject(file, name, source)
    except ScenarioError as error:
        if converted is None:
            raise
        raise ScenarioError([converted.at_home(one) for one in error.problems]) from error


def _write(
    subject: Subject,
    watched: Watched | None,
    request: Request,
    scenario: pathlib.Path,
    workflow_text: str | None,
    texts: Sequence[tuple[str, str]] = (),
) -> Written:
    """Guess, render, check that it loads, and put the files where they belong."""
    guesses = hints.hint(texts) if watched is None else guess(watched)
    registry = next((one for one in guesses if re.match(r"registry/", one.key)), None)
    draft = Draft(
        subject=subject,
        file=display_path(scenario),
        workflow=os.path.relpath(subject.workflow, scenario.parent),
        watched=watched,
        artifacts=[one for one in guesses if one is not registry],
        strikes=choose(subject, watched, guesses),
        registry=None if registry is None else registry.key,
    )
    text = render(draft)
    try:
        scenario.parent.mkdir(parents=True, exist_ok=True)
        if workflow_text is not None:
            subject.workflow.write_text(workflow_text, encoding="utf-8")
        scenario.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {error.filename}: {error.strerror}") from error
    return Written(
        scenario=scenario,
        workflow=None if workflow_text is None else subject.workflow,
        draft=draft,
        notes=(*subject.notes, *_doubts(draft), *_not_ready(scenario)),
    )


def _not_ready(scenario: pathlib.Path) -> Sequence[str]:
    """Return what has to be mended before the scenario runs, such as a variable that is not set."""
    from chaosml import runner

    try:
        runner.plan(scenario, runner.RunOptions())
    except ScenarioError as error:
        return [f"before it runs: {problem}" for problem in error.problems]
    return []


def _doubts(draft: Draft) -> Sequence[str]:
    """Return what stays unknown, and what would make it known."""
    doubts = []
    watched = draft.watched
    states = [one for one in draft.artifacts if one.role == "checkpoint"]
    if watched is None:
        doubts.append(
            "nothing was run: artifacts are guessed from the file alone; --watch runs it once here"
        )
        return doubts
    if not states:
        doubts.append(
            "nothing that it wrote looks like a checkpoint (rewritten, numbered, or named so): a "
            "training that is struck starts again from nothing"
        )
    if draft.subject.training not in watched.steps:
        doubts.append(
            "it has no probe: faults strike at its writes, and a report cannot name the step that "
            "went wrong; three lines in the trainer change that (docs/instrumenting.md)"
        )
        nameless = [one.key for one in states if not one.names_step]
        if nameless:
            doubts.append(
                f"neither name nor content of {', '.join(nameless)} says a step, so `resume` will "
                "be UNKNOWN where an attempt goes on from it: put the step into the key, or an "
                "array `step` into the file"
            )
    if watched.left_behind:
        shown = ", ".join(watched.left_behind[:_FILES_TOLD])
        doubts.append(f"files in the working directory die with the pod: {shown}")
    return doubts


def _draft_for_watching(subject: Subject) -> str:
    """Return a scenario that reads whatever is there; its fault is never used."""
    return render(
        Draft(
            subject=subject,
            file="draft.yaml",
            workflow=str(subject.workflow),
            watched=None,
            artifacts=[
                ArtifactGuess(role="metrics", key=pattern, format=form)
                for pattern, form in _EVERYTHING
            ],
            strikes=choose(subject, None, ()),
        )
    )


def _refuse_existing(paths: Sequence[pathlib.Path], force: bool) -> None:
    there = [display_path(path) for path in paths if path.exists()]
    if there and not force:
        raise UsageError(
            "\n".join(f"{path}: is there already; --force replaces it" for path in there)
        )


def _refuse_unfinished(what: str, watched: Watched, timeout_s: float) -> None:
    """Refuse what did not come to a good end.

    Raises:
        UsageError: how it ended, with its last lines.
    """
    if watched.ended == "deadline":
        raise UsageError(
            f"{what}: did not end within {timeout_s:g} s; give it less to do, or more time with "
            f"--timeout{_lines(watched)}"
        )
    if watched.phase != "Succeeded":
        codes = ", ".join(f"{task} {code}" for task, code in watched.exit_codes.items() if code)
        said = f" (exit code of {codes})" if codes else ""
        raise UsageError(
            f"{what}: failed undisturbed{said}, so there is nothing to disturb; make it run here "
            f"first{_lines(watched)}"
        )


def _refuse_useless(command: TrainingCommand, watched: Watched, timeout_s: float) -> None:
    """Refuse a command from which nothing can be learned.

    Raises:
        UsageError: why, with its last lines.
    """
    _refuse_unfinished(command.text, watched, timeout_s)
    if watched.writes:
        return
    advice = (
        "it is told where the store is, and wrote nothing to it: its S3 client must take the "
        "endpoint from AWS_ENDPOINT_URL_S3, as boto3, s3fs and the AWS CLI do"
        if command.uses_store
        else "tell it where to write: {store} in the command or in --env NAME={store} stands for "
        "the run's own place, s3://BUCKET/PREFIX"
    )
    left = ""
    if watched.left_behind:
        shown = ", ".join(watched.left_behind[:_FILES_TOLD])
        left = (
            f"\nit wrote {shown} into its working directory, which dies with its pod, here as on a "
            "cluster: there is nothing that a retry could go on from. Save to a store instead "
            "(boto3, s3fs, fsspec), or upload after each save"
        )
    raise UsageError(f"{command.text}: stored nothing; {advice}{left}{_lines(watched)}")


def _lines(watched: Watched) -> str:
    if not watched.said:
        return "\nit printed nothing"
    return "\nits last lines:\n" + "\n".join(f"  | {line}" for line in watched.said)


def _name_of(path: pathlib.Path) -> str:
    stem = re.sub(r"[^a-z0-9]+", "-", path.name.split(".")[0].lower()).strip("-")
    return stem[:40].strip("-") or "pipeline"
