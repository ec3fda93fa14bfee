"""From the timelines of a run to its judgement: pure, and the same bytes every time."""

from __future__ import annotations

import math
import traceback
from collections.abc import Mapping, Sequence

from chaosml.artifacts.contract import Contract
from chaosml.checkers.corruption import Corruption
from chaosml.checkers.effect import Effect, coverage_of
from chaosml.checkers.endings import ended_early
from chaosml.checkers.evidence import Checker, Evidence, unknown
from chaosml.checkers.lineage import Lineage
from chaosml.checkers.outcome import Outcome
from chaosml.checkers.receipts import receipts_of
from chaosml.checkers.recovery import Recovery
from chaosml.checkers.reference import CONTROLS_NEEDED
from chaosml.checkers.resume import Resume, diverges
from chaosml.checkers.throughput import (
    Throughput,
    measures_of,
    requests_per_upload,
    slowdowns,
)
from chaosml.checkers.waste import Waste, waste_of
from chaosml.errors import UsageError
from chaosml.plan.model import Plan, PlannedInjection
from chaosml.scenario.model import Scenario
from chaosml.timeline.analysis import Analysis
from chaosml.timeline.model import Timeline
from chaosml.timeline.moment import passed
from chaosml.timeline.steplines import find_gauge, last_named
from chaosml.verdict import ExecutionSummary, Judgement, Measure, Receipt, Verdict, worst

__all__ = ["CHECKERS", "judge", "needs_more_controls", "summary"]

CHECKERS: tuple[Checker, ...] = (
    Outcome(),
    Resume(),
    Corruption(),
    Recovery(),
    Throughput(),
    Waste(),
    Lineage(),
    Effect(),
)
_DIGITS = 6


def judge(
    scenario: Scenario,
    plan: Plan,
    controls: Sequence[Timeline],
    trials: Sequence[Timeline],
    *,
    run: str,
    pipeline: str,
    versions: Mapping[str, str],
    replay: str,
    substrate: str = "",
    policies: Mapping[str, str] | None = None,
    interrupted: bool | None = None,
    checkers: Sequence[Checker] = CHECKERS,
) -> Judgement:
    """Judge a whole run.

    Args:
        scenario: What is expected.
        plan: What was to be done.
        controls: Timelines of the undisturbed executions.
        trials: Timelines of the disturbed ones; planned ones that are missing did not run.
        run: Name of the run directory.
        pipeline: The workflow file, for the report.
        versions: Versions of the tool and of what it stands on.
        replay: The command that runs the same plan again.
        substrate: Where the run took place; default: as the histories say.
        policies: Retry policy by task (`Never` without a retryStrategy), for explanations.
        interrupted: Whether the run was cut short; None: as the histories say.
        checkers: Who judges.
    """
    evidence = _gather(scenario, plan, controls, trials, policies or {})
    verdicts = tuple(verdict for checker in checkers for verdict in _ask(checker, evidence))
    timelines = [*controls, *trials]
    header = next((one.header.fact for one in timelines if one.header is not None), None)
    return Judgement(
        scenario=scenario.metadata.name,
        run=run,
        pipeline=pipeline,
        substrate=substrate or ("" if header is None else header.substrate),
        seed=plan.seed,
        status=worst(verdict.status for verdict in verdicts),
        interrupted=_was_interrupted(timelines) if interrupted is None else interrupted,
        verdicts=verdicts,
        executions=tuple(
            _summarise(evidence, execution, evidence.controls) for execution in evidence.executions
        ),
        coverage=coverage_of(evidence),
        versions=dict(sorted(versions.items())),
        fingerprint={} if header is None else dict(sorted(header.fingerprint.items())),
        replay=replay,
    )


def needs_more_controls(
    scenario: Scenario, controls: Sequence[Timeline], trials: Sequence[Timeline]
) -> bool:
    """Return whether another control would help to tell a defect from chance.

    So it is when a trial reached another state than the controls, and fewer than three ran.
    """
    if len(controls) >= CONTROLS_NEEDED:
        return False
    plan = Plan(seed=scenario.seed, controls=0, controls_max=0, trials=(), cases=(), undealt=())
    evidence = _gather(scenario, plan, controls, trials, {})
    return any(diverges(evidence, trial) for trial in evidence.trials)


def summary(
    timeline: Timeline, scenario: Scenario, controls: Sequence[Timeline] = ()
) -> ExecutionSummary:
    """Return one execution in figures, as far as its own history and the controls tell."""
    plan = Plan(seed=scenario.seed, controls=0, controls_max=0, trials=(), cases=(), undealt=())
    evidence = _gather(scenario, plan, controls, [timeline], {})
    return _summarise(evidence, evidence.trials[0], evidence.controls)


def _was_interrupted(timelines: Sequence[Timeline]) -> bool:
    return any(
        one.ended is not None and one.ended.fact.reason == "interrupted" for one in timelines
    )


def _ask(checker: Checker, evidence: Evidence) -> Sequence[Verdict]:
    """Return a checker's verdicts; one that raises has decided nothing."""
    try:
        return checker.check(evidence)
    except Exception as error:  # noqa: BLE001 - a broken checker must not hide what others found
        broken = unknown(
            checker.name,
            checker.name,
            None,
            "checker-raised",
            f"the checker {checker.name} failed: {type(error).__name__}: {error}",
        )
        details = "".join(traceback.format_exception(error))
        return [_with_details(broken, details)]


def _with_details(verdict: Verdict, details: str) -> Verdict:
    return Verdict(
        checker=verdict.checker,
        expectation=verdict.expectation,
        execution=verdict.execution,
        status=verdict.status,
        cause=verdict.cause,
        message=verdict.message,
        details=details,
    )


def _gather(
    scenario: Scenario,
    plan: Plan,
    controls: Sequence[Timeline],
    trials: Sequence[Timeline],
    policies: Mapping[str, str],
) -> Evidence:
    contract = _compile(scenario, [*controls, *trials])
    final_step = _final_step(contract, controls)
    gauge = find_gauge(controls)
    planned = {f"trial/{trial.trial}": trial.injections for trial in plan.trials}
    return Evidence(
        scenario=scenario,
        plan=plan,
        contract=contract,
        controls=tuple(Analysis(one, contract, final_step, gauge) for one in controls),
        trials=tuple(Analysis(one, contract, final_step, gauge) for one in trials),
        receipts={one.execution: _receipts(one, planned) for one in [*controls, *trials]},
        policies=policies,
    )


def _receipts(
    timeline: Timeline, planned: Mapping[str, tuple[PlannedInjection, ...]]
) -> tuple[Receipt, ...]:
    return receipts_of(timeline, planned.get(timeline.execution))


def _compile(scenario: Scenario, timelines: Sequence[Timeline]) -> Contract:
    """Compile the artifact contract with the parameters that the executions were given.

    Where every history lost its first event, the scenario's own parameters must do; final
    steps that need more stay unknown.
    """
    given = next((one.header.fact.parameters for one in timelines if one.header is not None), {})
    parameters = {**scenario.pipeline.parameters, **given}
    try:
        return Contract.compile(scenario, parameters)
    except UsageError:
        artifacts = tuple(
            artifact.model_copy(update={"final_step": None})
            for artifact in scenario.pipeline.artifacts
        )
        pipeline = scenario.pipeline.model_copy(update={"artifacts": artifacts})
        return Contract.compile(scenario.model_copy(update={"pipeline": pipeline}), parameters)


def _final_step(contract: Contract, controls: Sequence[Timeline]) -> int | None:
    """Return the step at which training is done: as declared, or as all controls show."""
    declared = {
        artifact.final_step for artifact in contract.artifacts if artifact.final_step is not None
    }
    if declared:
        return declared.pop() if len(declared) == 1 else None
    reached = set()
    for control in controls:
        training = control.pods_of(control.training_task)
        final = control.final_phase
        if control.doubt_of_logs(training) or final is None or final.fact.phase != "Succeeded":
            return None
        reached.add(Analysis(control, contract, None).lineage.last_step)
    return reached.pop() if len(reached) == 1 and reached != {0} else None


def _summarise(
    evidence: Evidence, execution: Analysis, controls: Sequence[Analysis]
) -> ExecutionSummary:
    timeline = execution.timeline
    final = timeline.final_phase
    header = timeline.header
    wall = 0.0
    if header is not None and timeline.ended is not None:
        wall = passed(header.at, timeline.ended.at).middle_s
    is_trial = timeline.execution.startswith("trial/")
    return ExecutionSummary(
        execution=timeline.execution,
        case=None if header is None else header.fact.case,
        phase=None if final is None else final.fact.phase,
        message="" if final is None else final.fact.message,
        wall_s=round(wall, _DIGITS),
        valid=not is_trial or evidence.is_valid(execution),
        receipts=evidence.receipts.get(timeline.execution, ()),
        measures=_measures(execution, controls),
    )


def _measures(execution: Analysis, controls: Sequence[Analysis]) -> dict[str, Measure]:
    timeline = execution.timeline
    training = timeline.pods_of(timeline.training_task)
    measures: dict[str, Measure] = {
        "attempts": len(training),
        "events": timeline.events,
        "steps": execution.lineage.last_step or last_named(timeline),
    }
    usage = execution.usage
    if usage is not None:
        measures["cpu_s"] = round(usage.total.middle_s, _DIGITS)
        for part, share in usage.shares.items():
            measures[f"{part}_share"] = round(share, _DIGITS)
    final = timeline.final_phase
    did_all = final is not None and final.fact.phase == "Succeeded" and not ended_early(execution)
    if timeline.execution.startswith("trial/") and controls and did_all:
        waste = waste_of(execution, controls)
        if waste is not None:
            measures["waste"] = round(waste.middle_s, _DIGITS)
    measures |= _recovery_measures(execution)
    return measures | _throughput_measures(execution, controls)


def _throughput_measures(execution: Analysis, controls: Sequence[Analysis]) -> dict[str, Measure]:
    """Return the figures of the degradation after which the rate was regained last."""
    found = slowdowns(execution, controls)
    if not found:
        return {}
    worst_one = max(found, key=lambda one: one.recovery.middle_s if one.recovery else math.inf)
    measures = measures_of(worst_one)
    uploads = requests_per_upload(execution, worst_one.degradation)
    if uploads is not None:
        measures["requests_per_upload"] = round(uploads[0], _DIGITS)
    return measures


def _recovery_measures(execution: Analysis) -> dict[str, Measure]:
    """Return the figures of the longest outage, and the most steps lost in one."""
    measures: dict[str, Measure] = {}
    ended = [outage for outage in execution.outages if outage.duration is not None]
    if ended:
        slowest = max(ended, key=lambda one: one.duration.middle_s if one.duration else 0.0)
        if slowest.duration is not None:
            measures["mttr_s"] = round(slowest.duration.middle_s, _DIGITS)
        for name, seconds in slowest.parts.items():
            measures[name] = round(seconds, _DIGITS)
        if slowest.notice is not None and slowest.recovered is not None:
            whole = passed(slowest.notice, slowest.recovered).middle_s
            measures["mttr_from_notice_s"] = round(whole, _DIGITS)
    lost = [one.lost_steps for one in execution.outages if one.lost_steps is not None]
    if lost:
        measures["lost_steps"] = max(lost)
    return measures
