"""The reports that a sweep leaves in its directory: `sweep.json`, `summary.md`, `junit.xml`."""

from __future__ import annotations

import io

import junitparser
import msgspec

from chaosml.reports.markdown import block, code, code_cell, escaped, table
from chaosml.reports.wording import printable, printable_lines
from chaosml.store.directory import RunDirectory
from chaosml.sweep import words
from chaosml.sweep.margins import lines_of
from chaosml.sweep.result import Failure, SweepReport
from chaosml.verdict import Status, Verdict, exit_code

__all__ = ["render_json", "render_junit", "render_summary", "write_all"]


def write_all(directory: RunDirectory, report: SweepReport) -> None:
    """Write the reports, each whole or not at all.

    Raises:
        HistoryError: the file system refuses.
    """
    directory.write("sweep.json", render_json(report))
    directory.write("junit.xml", render_junit(report))
    directory.write("summary.md", render_summary(report))


def render_json(report: SweepReport) -> bytes:
    """Return the whole report as JSON."""
    return msgspec.json.format(msgspec.json.encode(report)) + b"\n"


def render_summary(report: SweepReport) -> bytes:
    """Return `summary.md`."""
    parts = [
        _head(report),
        *(_failure(one) for one in report.failures),
        *(_undisturbed(one) for one in report.controls),
        _points(report),
        _kills(report),
        _margins(report),
        "## Run it again\n\n" + block(report.replay),
    ]
    return ("\n\n".join(part for part in parts if part) + "\n").encode()


def _head(report: SweepReport) -> str:
    lines = [
        f"- recorded: {escaped(words.effects(report))}",
        f"- coverage: {escaped(words.coverage(report))}",
        *(f"- missing: {escaped(line)}" for line in words.unreached(report)),
        f"- kills: {escaped(words.kills(report))}",
    ]
    return (
        f"# {escaped(report.scenario)} swept: {words.verdict(report)}\n\n"
        f"**{escaped(words.headline(report))}**\n\n"
        f"Pipeline {code(report.pipeline)}, seed {report.seed}, run {code(report.run)}.\n\n"
        + "\n".join(lines)
    )


def _failure(failure: Failure) -> str:
    parts = [
        f"## {failure.status.value}: {code(failure.checker)}, {code(failure.cause)}",
        f"First at point {failure.point}, {code(failure.place)}. {escaped(failure.message)}",
    ]
    if failure.evidence:
        parts.append("\n".join(f"- {code(line)}" for line in failure.evidence))
    if also := words.also_at(failure):
        parts.append(f"Also at points {also}.")
    if failure.advice is not None:
        parts.append(f"Advice: {escaped(failure.advice)}")
    parts.append(block(failure.replay))
    return "\n\n".join(parts)


def _undisturbed(verdict: Verdict) -> str:
    return (
        f"## {verdict.status.value}: {code(verdict.checker)}, {code(verdict.cause or '')}\n\n"
        f"In {escaped(verdict.execution or 'the controls')}, without any crash, so it is not "
        f"counted at any point. {escaped(verdict.message)}"
    )


def _points(report: SweepReport) -> str:
    lines = [
        [
            str(point.number),
            code_cell(point.name),
            ", ".join(map(str, point.states)),
            "not tested" if point.status is None else point.status.value,
            escaped(", ".join(point.causes)),
        ]
        for point in report.points
    ]
    return "## Points\n\n" + table(["point", "crash", "states", "verdict", "causes"], lines)


def _kills(report: SweepReport) -> str:
    if not report.kills:
        return ""
    lines = [
        [
            str(one.point),
            code_cell(one.name),
            "none" if one.landed is None else str(one.landed),
            str(one.compared),
            str(one.by_key),
            one.status.value,
            escaped(one.message),
        ]
        for one in report.kills
    ]
    header = ["point", "killed", "landed in state", "compared", "by key alone", "verdict", "why"]
    return "## Kills\n\n" + table(header, lines)


def _margins(report: SweepReport) -> str:
    lines = [f"- {escaped(line)}" for line in lines_of(report.margins)]
    return "## Margins\n\n" + "\n".join(lines) if lines else ""


def render_junit(report: SweepReport) -> bytes:
    """Return `junit.xml`: a case for every point that was to be tested, and every control flaw."""
    suite = junitparser.TestSuite(printable(f"{report.scenario} sweep"))
    suite.add_property("run", printable(report.run))
    suite.add_property("coverage", printable(words.coverage(report)))
    suite.add_property("replay", printable(report.replay))
    chosen = [one for one in report.points if one.status is not None]
    for point in chosen:
        name = f"point {point.number}: {point.name}"
        suite.add_testcase(_case(report, name, point.status, ", ".join(point.causes)))
    for verdict in report.controls:
        name = f"{verdict.checker} [{verdict.execution}]"
        suite.add_testcase(_case(report, name, verdict.status, verdict.message))
    for kill in report.kills:
        name = f"kill at point {kill.point}: {kill.name}"
        suite.add_testcase(_case(report, name, kill.status, kill.message))
    whole = Status.UNKNOWN if report.interrupted else report.status
    ended = Status.PASS if exit_code(report) == 0 else whole
    suite.add_testcase(_case(report, "verdict [whole sweep]", ended, words.headline(report)))
    suite.time = round(report.wall_s, 3)
    document = junitparser.JUnitXml()
    document.add_testsuite(suite)
    file = io.BytesIO()
    document.write(file, pretty=True)
    return file.getvalue()


def _case(
    report: SweepReport, name: str, status: Status | None, message: str
) -> junitparser.TestCase:
    case = junitparser.TestCase(
        printable(name), classname=printable(f"chaosml.{report.scenario}.sweep")
    )
    if status in (Status.FAIL, Status.UNKNOWN):
        kind = junitparser.Failure if status is Status.FAIL else junitparser.Error
        result = kind(printable(message), printable(status.value.lower()))
        result.text = printable_lines(message)
        case.result = [result]
    return case
