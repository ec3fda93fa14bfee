"""Judgements as the checkers make them: of a run that passed, one that failed, a hostile one."""

from chaosml.verdict import (
    Coverage,
    EventRef,
    ExecutionSummary,
    Judgement,
    Receipt,
    Status,
    Verdict,
)

HOSTILE = (
    "a|b `c` <script>alert(1)</script> [x](http://y) \x1b[31mred\x07 \u202egnp\n# head &amp; *b*"
)
"""What a pipeline could put into a name or message to break a report or a terminal."""


def receipt(trial, fault, **changes):
    fields = {
        "injection": f"t{trial}.{fault}",
        "fault": fault,
        "inject": "spot.reclaim",
        "planned_place": "step 61",
        "actual_place": "step 61",
        "planned_view": "gone",
        "observed_view": "gone",
        "took_effect": True,
    }
    return Receipt(**(fields | changes))


def control(number=1, **changes):
    fields = {
        "execution": f"control/{number}",
        "case": None,
        "phase": "Succeeded",
        "message": "",
        "wall_s": 5.21,
        "valid": True,
        "measures": {"attempts": 5},
    }
    return ExecutionSummary(**(fields | changes))


def trial(number, fault, *, measures=None, **changes):
    fields = {
        "execution": f"trial/{number}",
        "case": fault,
        "phase": "Succeeded",
        "message": "",
        "wall_s": 8.46,
        "valid": True,
        "receipts": (receipt(number, fault),),
        "measures": measures
        or {
            "mttr_s": 3.07,
            "detect_s": 0.11,
            "reschedule_s": 2.3,
            "start_s": 0.31,
            "restore_s": 0.05,
            "catch_up_s": 0.3,
            "lost_steps": 0,
            "waste": 0.31,
            "attempts": 6,
        },
    }
    return ExecutionSummary(**(fields | changes))


def verdict(expectation, execution, status=Status.PASS, message="held", **changes):
    fields = {
        "checker": expectation,
        "expectation": expectation,
        "execution": execution,
        "status": status,
        "message": message,
    }
    return Verdict(**(fields | changes))


def rate(corrupt, trials, bound, **changes):
    return verdict(
        "corruption",
        None,
        message=f"{corrupt} of {trials} valid trials corrupt (95 % bound {bound})",
        **changes,
    )


def judgement(status, executions, verdicts, **changes):
    fields = {
        "scenario": "spot",
        "run": "20261124T221500Z",
        "pipeline": "resilient.yaml",
        "substrate": "embedded",
        "seed": 7,
        "status": status,
        "verdicts": tuple(verdicts),
        "executions": tuple(executions),
        "coverage": Coverage(
            cases=("drained/gone", "no-notice/restarted"),
            exercised={"drained/gone": 1, "no-notice/restarted": 1},
            missing={},
            places=("step 61", "step 140"),
        ),
        "versions": {"chaosml": "0.1.0", "python": "3.11.7"},
        "fingerprint": {"cpu-flags": "9c1f00aa", "numpy": "2.4.6"},
        "replay": "chaosml run scenarios/spot.yaml --seed 7",
    }
    return Judgement(**(fields | changes))


def passed(**changes):
    executions = [
        control(1),
        control(2),
        trial(1, "drained"),
        trial(2, "no-notice", receipts=(receipt(2, "no-notice", observed_view="restarted"),)),
    ]
    verdicts = [
        verdict(name, one.execution)
        for name in ("outcome", "resume", "corruption")
        for one in executions
    ]
    verdicts += [
        rate(0, 2, "77.6 %"),
        verdict("mttr", None, message="at most 3.1 s of 30 s in 2 recoveries"),
        verdict("effect", "trial/1"),
        verdict("effect", "trial/2"),
    ]
    return judgement(Status.PASS, executions, verdicts, **changes)


HALF_TRAINED = {
    "cause": "half-trained-model-registered",
    "message": "models/digits/model.npz holds step 84 of 240 and was registered as digits/1 "
    "after the training had exited 0",
    "evidence": (
        EventRef("trial/3", 41, "PutObject models/digits/model.npz"),
        EventRef("trial/3", 57, "registry entry digits/1"),
    ),
    "advice": "exit 143 after a signal; exit 0 says that the work is complete",
}


def failed(**changes):
    executions = _failed_executions()
    coverage = Coverage(
        cases=("drained/gone", "noticed/seen", "false-alarm"),
        exercised={"drained/gone": 1, "noticed/gone": 1},
        missing={
            "noticed/seen": "trial/2 showed noticed/gone instead",
            "false-alarm": "trial/4 was invalid: target-finished",
        },
        places=("step 61",),
    )
    return judgement(
        Status.FAIL, executions, _failed_verdicts(executions), **({"coverage": coverage} | changes)
    )


def _failed_executions():
    return [
        control(1),
        control(2),
        trial(1, "drained"),
        trial(2, "noticed", phase="Error", measures={"waste": 0.52}),
        trial(3, "no-notice", measures={"lost_steps": 17, "mttr_s": 71.2, "waste": 0.004}),
        trial(
            4,
            "false-alarm",
            valid=False,
            receipts=(
                receipt(
                    4,
                    "false-alarm",
                    actual_place=None,
                    observed_view=None,
                    took_effect=False,
                    why_invalid="target-finished",
                ),
            ),
            measures={"attempts": 5},
        ),
    ]


def _failed_verdicts(executions):
    verdicts = [verdict("outcome", one.execution) for one in executions if one.phase != "Error"]
    verdicts += [
        verdict(
            "outcome",
            "trial/2",
            Status.FAIL,
            "train: Error `pod deleted` was not retried: OnTransientError matches no message of "
            "a deleted pod (view gone)",
            cause="pod-deleted-not-retried",
            evidence=(EventRef("trial/2", 88, "train(0) Error: pod deleted"),),
            advice="set retryPolicy: Always, or an expression that covers `pod deleted`",
        ),
        verdict("corruption", "trial/1"),
        verdict("corruption", "trial/3", Status.FAIL, **HALF_TRAINED),
        verdict("corruption", "trial/2", Status.FAIL, **(HALF_TRAINED | {"evidence": ()})),
        rate(2, 3, "98.3 %", status=Status.FAIL, cause=HALF_TRAINED["cause"]),
        verdict(
            "effect",
            "trial/4",
            Status.UNKNOWN,
            "INVALID: t4.false-alarm (spot.reclaim) at step 61 has no receipt: the target ended "
            "at step 40",
            cause="target-finished",
        ),
        verdict(
            "lineage",
            "trial/1",
            Status.UNKNOWN,
            "the checker raised KeyError",
            cause="checker-raised",
            details='Traceback (most recent call last):\n  File "lineage.py", line 3\nKeyError: 1',
        ),
    ]
    return verdicts


def hostile():
    """Everything that a pipeline or a scenario can choose says something nasty."""
    executions = [
        trial(
            1,
            HOSTILE,
            phase=HOSTILE,
            receipts=(
                receipt(
                    1, HOSTILE, actual_place=HOSTILE, observed_view=HOSTILE, why_invalid=HOSTILE
                ),
            ),
            valid=False,
        )
    ]
    verdicts = [
        verdict(
            HOSTILE,
            execution,
            Status.FAIL,
            HOSTILE,
            cause=HOSTILE,
            evidence=(EventRef("trial/1", 3, HOSTILE),),
            advice=HOSTILE,
            details=f"{HOSTILE}\n```\n{HOSTILE}",
        )
        for execution in ("trial/1", "trial/2", None)
    ]
    return judgement(
        Status.FAIL,
        executions,
        verdicts,
        scenario=HOSTILE,
        pipeline=HOSTILE,
        coverage=Coverage(
            cases=(HOSTILE,), exercised={}, missing={HOSTILE: HOSTILE}, places=(HOSTILE,)
        ),
        versions={HOSTILE: HOSTILE},
        replay=HOSTILE,
    )
