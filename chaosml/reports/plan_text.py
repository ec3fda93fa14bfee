"""What a run will do, for people: `chaosml plan`."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from chaosml.plan.model import Plan
from chaosml.reports.figures import NONE
from chaosml.reports.layout import sheet, without_padding
from chaosml.reports.wording import count, duration, printable
from chaosml.scenario.model import Scenario

__all__ = ["render"]


def render(scenario: Scenario, pipeline: str, plan: Plan, console: Console) -> str:
    """Return the plan as text for this console."""
    with console.capture() as capture:
        console.print(Text(printable(f"{scenario.metadata.name}: {pipeline}"), style="bold"))
        console.print(_summary(scenario, plan))
        console.print()
        console.print(_faults(scenario))
        console.print()
        console.print(_trials(plan))
        if plan.undealt:
            console.print()
            names = ", ".join(case.name for case in plan.undealt)
            words = f"not shown by any trial: {names}; --trials {len(plan.cases)} shows every case"
            console.print(Text(printable(words), style="yellow"))
    return without_padding(capture.get(), console)


def _summary(scenario: Scenario, plan: Plan) -> Text:
    more = f" (up to {plan.controls_max} if executions differ)"
    return Text(
        f"seed {plan.seed}: {count(plan.controls, 'control')}"
        f"{more if plan.controls_max > plan.controls else ''}, then "
        f"{count(len(plan.trials), 'trial')} over {count(len(plan.cases), 'case')}; "
        f"each ends after {duration(scenario.deadline)} at the latest"
    )


def _faults(scenario: Scenario) -> Table:
    table = sheet("fault", "inject", "target", "with")
    for fault in scenario.faults:
        options = [f"{name}={_written(value)}" for name, value in fault.with_.items()]
        target = f"{fault.target.task}, attempt {fault.target.attempt}"
        table.add_row(*map(printable, (fault.name, fault.inject, target, " ".join(options))))
    return table


def _trials(plan: Plan) -> Table:
    table = sheet("trial", "fault", "strikes at", "seen as")
    for trial in plan.trials:
        for number, injection in enumerate(trial.injections):
            where = injection.place.words + ("" if injection.place.exact else " (approximate)")
            table.add_row(
                f"trial/{trial.trial}" if number == 0 else "",
                printable(injection.fault),
                printable(where),
                injection.view or NONE,
            )
    return table


def _written(value: object) -> str:
    """Return an option as YAML writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
