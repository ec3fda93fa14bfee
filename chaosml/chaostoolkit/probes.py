"""Probes: what a run came to, judged from its own evidence, and where a task stands.

The types of the arguments are read by `chaos discover`, so they are no postponed annotations.
"""

import pathlib

from chaoslib.exceptions import ActivityFailed

from chaosml.chaostoolkit import latest
from chaosml.errors import ChaosmlError
from chaosml.verdict import Judgement, Status, worst

__all__ = ["expectation_status", "invalid_injections", "pod_is_running", "run_status"]


def run_status(run: str = "") -> str:
    """Return the status of a run: PASS, FAIL or UNKNOWN.

    Args:
        run: Its directory; default: the one that `run_scenario` made in this experiment.
    """
    return _judge(run).status.value


def expectation_status(expectation: str, run: str = "") -> str:
    """Return how one expectation of a run came out: PASS, FAIL or UNKNOWN.

    Args:
        expectation: Its key under `expect:`, such as `resume`, or `effect`.
        run: Its directory; default: the one that `run_scenario` made in this experiment.
    """
    judged = _judge(run)
    found: list[Status] = [
        verdict.status for verdict in judged.verdicts if verdict.expectation == expectation
    ]
    if not found:
        known = ", ".join(sorted({verdict.expectation for verdict in judged.verdicts}))
        raise ActivityFailed(f"the run decided nothing about {expectation!r}; it did: {known}")
    return worst(found).value


def invalid_injections(run: str = "") -> list:  # type: ignore[type-arg]
    """Return the injections of a run without a receipt, each with the reason; none is good.

    Args:
        run: Its directory; default: the one that `run_scenario` made in this experiment.
    """
    return [
        f"{receipt.injection}: {receipt.why_invalid}"
        for execution in _judge(run).executions
        for receipt in execution.receipts
        if receipt.why_invalid is not None
    ]


def pod_is_running(workflow: str, task: str, namespace: str, context: str) -> bool:
    """Say whether a pod of a task of an Argo workflow runs.

    Args:
        workflow: Name of the Workflow object.
        task: Name of the task.
        namespace: Where the workflow runs.
        context: Context of the kubeconfig.
    """
    from chaosml.experiment import pods

    try:
        return bool(pods.find(pods.open_api(context), namespace, workflow, task))
    except ChaosmlError as error:
        raise ActivityFailed(str(error)) from error


def _judge(run: str) -> Judgement:
    from chaosml import runner

    try:
        return runner.rejudge(pathlib.Path(latest.find(run))).judgement
    except ChaosmlError as error:
        raise ActivityFailed(str(error)) from error
