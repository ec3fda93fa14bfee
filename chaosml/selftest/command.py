"""The verb `chaosml selftest`: every planted defect, and the healthy pipeline, for real."""

from __future__ import annotations

import os
import pathlib
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from chaosml.errors import HarnessError, UsageError
from chaosml.terminal import Terminal

if TYPE_CHECKING:
    from chaosml.selftest.findings import Finding
    from chaosml.selftest.running import Job

__all__ = ["mount"]

_SEEDS = 20
_FAILED = 1
_HELP = """Plant defects into the reference pipeline and see whether the checkers name them.

Each defect is a whole run with real faults, as `chaosml run` does it. The pipeline without
a defect must pass every seed. What stays uncaught is listed, with the reason.

\b
  chaosml selftest                                  everything, in minutes
  chaosml selftest --only no-rng --only marker-first
  chaosml selftest --list

\b
Exit codes: 0 every defect is caught by the right checker with the right cause, and the
healthy pipeline passes; 1 not so; 2 wrong usage; 4 the harness failed; 130 interrupted.
"""


def mount(app: typer.Typer, terminal: Terminal) -> None:
    """Add the verb to the command line."""

    @app.command("selftest", help=_HELP, short_help="See whether planted defects are caught.")
    def selftest(
        only: Annotated[
            list[str] | None,
            typer.Option(metavar="NAME", help="This defect; can be given several times."),
        ] = None,
        seeds: Annotated[
            int | None,
            typer.Option(
                min=0,
                help=f"Runs of the healthy pipeline; default {_SEEDS}, none with --only.",
            ),
        ] = None,
        jobs: Annotated[
            int | None, typer.Option(min=1, help="Runs at a time; default: as many as CPUs.")
        ] = None,
        reports: Annotated[
            pathlib.Path, typer.Option(metavar="DIR", help="Where the runs are kept.")
        ] = pathlib.Path("reports"),
        json_file: Annotated[
            pathlib.Path | None,
            typer.Option("--json", metavar="FILE", help="Write the matrix as JSON, too."),
        ] = None,
        listed: Annotated[
            bool, typer.Option("--list", help="Show the catalogue and run nothing.")
        ] = False,
        quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
    ) -> None:
        def test() -> int:
            if listed:
                terminal.emit(_listing())
                return 0
            count = seeds if seeds is not None else (0 if only else _SEEDS)
            work = _prepare(only or [], count, reports)
            at_once = jobs or len(os.sched_getaffinity(0))
            findings = _run(work, at_once, None if quiet else terminal)
            return _show(findings, work, json_file, terminal)

        raise typer.Exit(terminal.attempt(test))


def _listing() -> str:
    from chaosml.selftest.catalogue import DEFECTS, OUT_OF_REACH

    width = max(len(one.name) for one in (*DEFECTS, *OUT_OF_REACH))
    lines = [f"{one.name:{width}}  {one.named}: {one.what}" for one in DEFECTS]
    lines += [f"{one.name:{width}}  not caught: {one.what}" for one in OUT_OF_REACH]
    return "".join(f"{line}\n" for line in lines)


def _prepare(only: list[str], seeds: int, reports: pathlib.Path) -> list[Job]:
    from chaosml import clock
    from chaosml.selftest.catalogue import DEFECTS
    from chaosml.selftest.running import healthy_jobs, job_of

    unknown = sorted(set(only) - {defect.name for defect in DEFECTS})
    if unknown:
        raise UsageError(
            f"--only {unknown[0]}: there is no such defect; `chaosml selftest --list` shows them"
        )
    root = reports.absolute() / "selftest" / f"{clock.utc_now():%Y%m%dT%H%M%SZ}"
    chosen = [defect for defect in DEFECTS if not only or defect.name in only]
    return [*(job_of(defect, root) for defect in chosen), *healthy_jobs(seeds, root)]


def _run(work: list[Job], at_once: int, terminal: Terminal | None) -> list[Finding]:
    """Run everything; return the findings in the order of the work."""
    from chaosml.selftest.findings import assess
    from chaosml.selftest.running import run_all

    if terminal is not None:
        terminal.say(f"{len(work)} runs, {at_once} at a time, into {work[0].scenario.parents[1]}")
    found: dict[str, Finding] = {}
    for ended in run_all(work, at_once=at_once):
        finding = assess(ended)
        found[ended.job.name] = finding
        if terminal is not None:
            defect = ended.job.defect
            by = f" by {defect.named}" if defect is not None and finding.is_good else ""
            words = "" if finding.is_good else f": {finding.words}"
            terminal.say(
                f"[{len(found)}/{len(work)}] {ended.job.name}: {finding.catch.value}{by}{words}, "
                f"{ended.took_s:.1f} s"
            )
    return [found[job.name] for job in work]


def _show(
    findings: list[Finding], work: list[Job], json_file: pathlib.Path | None, terminal: Terminal
) -> int:
    from chaosml.reports.layout import screen
    from chaosml.selftest import matrix
    from chaosml.selftest.catalogue import OUT_OF_REACH
    from chaosml.selftest.findings import succeeded

    root = work[0].scenario.parents[1]
    document = matrix.json_of(findings, OUT_OF_REACH)
    written = {root / "matrix.md": matrix.markdown_of(findings, OUT_OF_REACH).encode()}
    written |= {path: document for path in (root / "matrix.json", json_file) if path is not None}
    for path, content in written.items():
        try:
            path.write_bytes(content)
        except OSError as error:
            raise HarnessError(f"cannot write {path}: {error.strerror}") from error
    terminal.emit(matrix.text_of(findings, OUT_OF_REACH, screen(sys.stdout)))
    terminal.say(f"kept in {root}: matrix.md, matrix.json, and every run")
    return 0 if succeeded(findings) else _FAILED
