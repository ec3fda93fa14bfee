"""What a run will do, for people: `chaosml plan`."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from chaosml.plan.model import Plan, PlannedInjection
from chaosml.reports.figures import NONE
from chaosml.reports.wording import count, duration, printable
from chaosml.scenario.model import Scenario

__all__ = ["render"]


def render(scenario: Scenario, pipeline: str, plan: Plan, console: Console) -> str:
    """Return the plan as text for this console."""
    with console.capture() as capture:
        console.print(Text(printable(f"{scenario.metadata.name}: {pipeline}"), style="bold"))
        console.print(_summary(scenario, plan))
        console.print()
        console.print(_trials(plan))
        if plan.undealt:
            console.print()
            names = ", ".join(case.name for case in plan.undealt)
            words = f"not shown by any trial: {names}; --trials {len(plan.cases)} shows every case"
            console.print(Text(words, style="yellow"))
    return capture.get()


def _summary(scenario: Scenario, plan: Plan) -> Text:
    more = f" (up to {plan.controls_max} if executions differ)"
    words = (
        f"seed {plan.seed}: {count(plan.controls, 'control')}"
        f"{more if plan.controls_max > plan.controls else ''}, then "
        f"{count(len(plan.trials), 'trial')} over {count(len(plan.cases), 'case')}; "
        f"each ends after {duration(scenario.deadline)} at the latest"
    )
    return Text(words)


def _trials(plan: Plan) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("trial", no_wrap=True)
    for name in ("case", "inject", "target", "strikes at", "seen as", "with"):
        table.add_column(name, overflow="fold")
    for trial in plan.trials:
        for number, injection in enumerate(trial.injections):
            table.add_row(
                f"trial/{trial.trial}" if number == 0 else "",
                printable(trial.case.name) if number == 0 else "",
                *_cells(injection),
            )
    return table


def _cells(injection: PlannedInjection) -> tuple[str, ...]:
    where = injection.place.words + ("" if injection.place.exact else " (approximate)")
    options = [
        f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in injection.options.items()
        if value is not None
    ]
    return (
        printable(injection.inject),
        printable(f"{injection.task}, attempt {injection.attempt}"),
        printable(where),
        injection.view or NONE,
        printable(" ".join(options)),
    )
