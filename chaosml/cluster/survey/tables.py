"""A survey for people: a table for the terminal, and the page of docs/survey.md; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from chaosml.cluster.survey.pipeline import GRACE_S
from chaosml.cluster.survey.trial import SETTLING_S
from chaosml.workflow.survey import Cell, Measured, Outcome, Spread, Survey
from chaosml.workflow.views import View

__all__ = ["page", "text"]

_Setting = tuple[str, bool]
_Kind = tuple[str, str, str, str]
"""Way or signal, program, outputs, timing: a row of a table."""

_NOTHING = "-"
_HEAD = ("way", "program", "outputs", "strike")


def text(survey: Survey) -> str:
    """Return how the deaths surfaced as a table for the terminal."""
    if not survey.cells:
        return "nothing is measured\n"
    rows = [
        [*_HEAD, "Argo", "finalizer", "views", "decided s", "next runs s"],
        *(_text_row(one) for one in survey.cells),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    trials = sum(one.trials for one in survey.cells)
    return "\n".join(
        [*lines, "", f"{trials} trials in {len(survey.cells)} cells; s: p50 (p95)", ""]
    )


def _text_row(one: Measured) -> list[str]:
    return [
        *_kind(one.cell),
        one.cell.argo,
        "on" if one.cell.finalizer else "off",
        _outcomes(one),
        _times(one.decided),
        _times(one.running),
    ]


def _kind(cell: Cell) -> _Kind:
    return (
        cell.way.value if cell.signal is None else cell.signal.value,
        cell.program.value,
        "file" if cell.outputs else "none",
        cell.timing.value,
    )


def _outcomes(one: Measured) -> str:
    told = [f"{_name(outcome)} {outcome.count}/{one.trials}" for outcome in one.outcomes]
    if one.missed:
        told.append(f"({one.missed} not struck)")
    return ", ".join(told)


def _name(outcome: Outcome) -> str:
    if outcome.view is None:
        return "other"
    if outcome.view is not View.SEEN or outcome.exit_code is None:
        return outcome.view.value
    return "succeeded" if outcome.exit_code == 0 else f"seen {outcome.exit_code}"


def _times(spread: Spread | None) -> str:
    return _NOTHING if spread is None else f"{spread.p50:.0f} ({spread.p95:.0f})"


def page(survey: Survey) -> str:
    """Return the page of the documentation."""
    settings = list(dict.fromkeys((one.cell.argo, one.cell.finalizer) for one in survey.cells))
    by_kind: dict[_Kind, dict[_Setting, Measured]] = {}
    for one in survey.cells:
        of_kind = by_kind.setdefault(_kind(one.cell), {})
        of_kind[one.cell.argo, one.cell.finalizer] = one
    parts = [
        _introduction(survey),
        "## Views by way to die\n\n" + "\n".join(_ways_table(survey.cells)),
        "## Every cell\n\n" + _LEGEND + "\n".join(_table(by_kind, settings, _outcomes)),
        "## Times\n\n" + _TIMES + "\n".join(_table(by_kind, settings, _both_times)),
        _REPEAT,
    ]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _introduction(survey: Survey) -> str:
    versions = ", ".join(dict.fromkeys(one.cell.argo for one in survey.cells))
    counts = sorted({one.trials for one in survey.cells})
    each = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    loads = [trial.load for trial in survey.trials]
    load = f", load {min(loads):.0f} to {max(loads):.0f}" if loads else ""
    return _INTRODUCTION.format(
        trials=sum(one.trials for one in survey.cells),
        cells=len(survey.cells),
        each=each,
        versions=versions,
        kubernetes=survey.kubernetes,
        host=f"{survey.cpus} processors, Linux {survey.kernel}{load}",
        parallel=survey.parallel,
        began=survey.began[:10],
        grace=GRACE_S,
        settling=SETTLING_S,
    )


def _ways_table(cells: Sequence[Measured]) -> Iterator[str]:
    yield from _header(["way", *(view.value for view in View), "other", "trials"])
    for way in dict.fromkeys(one.cell.way for one in cells):
        of_way = [one for one in cells if one.cell.way is way]
        counts = [
            sum(outcome.count for one in of_way for outcome in one.outcomes if outcome.view is view)
            for view in (*View, None)
        ]
        yield _row([f"`{way}`", *(str(count or _NOTHING) for count in counts), str(_total(of_way))])


def _total(cells: Sequence[Measured]) -> int:
    return sum(one.trials for one in cells)


def _table(
    by_kind: Mapping[_Kind, Mapping[_Setting, Measured]],
    settings: Sequence[_Setting],
    show: Callable[[Measured], str],
) -> Iterator[str]:
    names = [f"{version}, finalizer {'on' if on else 'off'}" for version, on in settings]
    yield from _header([*_HEAD, *names])
    for kind, measured in by_kind.items():
        shown = [show(measured[one]) if one in measured else _NOTHING for one in settings]
        yield _row([f"`{kind[0]}`", *kind[1:], *shown])


def _both_times(one: Measured) -> str:
    return f"{_times(one.decided)} → {_times(one.running)}"


def _header(names: Sequence[str]) -> Iterator[str]:
    yield _row(names)
    yield "|" + "---|" * len(names)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


_INTRODUCTION = """\
# How Argo surfaces the death of a pod

Measured by `chaosml cluster survey`; this page is its output. The views that chaosml plans for its
embedded substrate come from these counts: a view is legal for a way to die where it was seen at
least once after a settled strike (`chaosml/workflow/survey.json`).

- {trials} trials in {cells} cells, {each} a cell, up to {parallel} at a time, begun {began}.
- Argo {versions}; Kubernetes {kubernetes} by kind, one control plane and two workers.
- {host}.

Each trial is a workflow of one container with `retryStrategy: {{limit: 1, retryPolicy: Always}}`
and a grace period of {grace} s; the controller has its default settings but for
`ARGO_POD_STATUS_CAPTURE_FINALIZER` (*finalizer*, off by default). The outcomes are those of a race
between the kubelet, the API server and the controller's next look, so a count is no rate: another
load, another outcome.

- **Ways**: `delete` through the API with grace, `evict` by the Eviction API, `force` (grace period
  0), a signal to the user's process alone, `node-lost` (the machine is killed and its Node object
  removed 5 s later, as a cloud does), `node-returned` (killed, and started again 20 s later).
- **Programs**: *default* has no handler for SIGTERM, *exit143* and *exit0* work for another second
  and exit so, *ignore* goes on until SIGKILL. **Outputs**: *file* is an output parameter read from
  a file, which the handler writes.
- **Strike**: *early* as soon as the container runs, *settled* {settling:g} s after Argo showed it
  Running."""

_LEGEND = """\
`gone`: the attempt is `Error` "pod deleted" and is retried. `seen N`: `Failed` with exit code N and
retried. `succeeded`: the process exited with 0, and the step counts as done. `restarted`: the same
attempt gets a new pod, no retry is consumed. `wait-failed`: `Error` "wait: …", the outputs were
looked for before they were written. `other`: none of these.

"""

_TIMES = """\
Seconds from the strike to the phase that decides → to the container of what comes next running (the
next attempt's, or the new pod's); p50 (p95).

"""

_REPEAT = """\
## Repeat it

```sh
chaosml cluster survey --out survey.json      # makes a cluster for it, and removes it
chaosml cluster survey --resume survey.json   # goes on after an interruption
chaosml cluster survey --resume survey.json --trials 0 --output json > chaosml/workflow/survey.json
chaosml cluster survey --resume survey.json --trials 0 --output markdown > docs/survey.md
```

`--only way=force,finalizer=on` measures some cells, `--argo-version` another version of Argo. A
strike that did not happen is repeated and counted as *not struck*; a trial whose outcome fits no
view is kept with everything that was seen of it."""
