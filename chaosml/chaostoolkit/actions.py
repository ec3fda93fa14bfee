"""Actions: a whole run of a scenario, and faults that make sense without one.

The types of the arguments are read by `chaos discover`, so they are no postponed annotations.
"""

from chaoslib.exceptions import ActivityFailed
from chaoslib.types import Secrets

from chaosml.chaostoolkit import latest
from chaosml.errors import ChaosmlError

__all__ = [
    "add_toxic",
    "delete_pod",
    "evict_pod",
    "recover",
    "remove_toxic",
    "run_scenario",
]

_DAY_S = 86_400.0


def run_scenario(
    scenario: str,
    reports: str = "reports",
    on: str = "",
    context: str = "",
    namespace: str = "",
    pipeline: str = "",
    trials: int = 0,
    seed: int = -1,
    set_values: dict = None,  # type: ignore[assignment, type-arg]  # noqa: RUF013
    timeout: float = _DAY_S,
    secrets: Secrets = None,
) -> dict:  # type: ignore[type-arg]
    """Run a scenario with all its controls and trials, and say where it is recorded.

    A signal to the experiment interrupts it, and it heals. A run that fails its expectations
    is a result; one that comes to no verdict fails this action.

    Args:
        scenario: Path of the scenario.
        reports: Folder where runs are recorded.
        on: `embedded` (default), `kind` or `cluster`.
        context: Context of the kubeconfig.
        namespace: Namespace of the cluster.
        pipeline: Another Workflow document for the scenario.
        trials: Disturbed executions; 0: as the scenario says.
        seed: Decides places and cases; below 0: as the scenario says.
        set_values: Values of the scenario to override, by dotted path.
        timeout: Seconds after which the run is interrupted.
        secrets: Environment variables that the run gets.

    Returns:
        `run` (the directory), `status` (PASS, FAIL, UNKNOWN), `exit_code`, `replay` and more.
    """
    from chaosml.experiment import running

    latest.forget()
    choices = {
        "on": on,
        "context": context,
        "namespace": namespace,
        "pipeline": pipeline,
        "trials": trials or None,
        "seed": None if seed < 0 else seed,
        "set": set_values,
    }
    environment = {name: str(value) for name, value in (secrets or {}).items()}
    try:
        outcome = running.run_scenario(
            scenario,
            reports=reports,
            choices=choices,
            timeout_s=timeout,
            environment=environment,
        )
    except ChaosmlError as error:
        raise ActivityFailed(str(error)) from error
    latest.remember(outcome["run"])
    return outcome


def recover(reports: str = "reports") -> str:
    """Heal what runs that were killed have left; living runs stay as they are.

    Args:
        reports: Folder where runs are recorded.
    """
    from chaosml.experiment import running

    try:
        return running.heal(reports)
    except ChaosmlError as error:
        raise ActivityFailed(str(error)) from error


def delete_pod(
    workflow: str,
    task: str,
    namespace: str,
    context: str,
    grace_period: int = -1,
) -> dict:  # type: ignore[type-arg]
    """Delete the running pod of a task of an Argo workflow.

    The namespace must carry the label `chaosml.dev/enabled=true`.

    Args:
        workflow: Name of the Workflow object.
        task: Name of the task.
        namespace: Where the workflow runs.
        context: Context of the kubeconfig.
        grace_period: Seconds instead of the pod's own; 0: at once; -1: the pod's own.
    """
    from chaosml.experiment import pods

    grace_s = None if grace_period < 0 else float(grace_period)
    try:
        return pods.delete(pods.open_api(context), namespace, workflow, task, grace_s=grace_s)
    except ChaosmlError as error:
        raise ActivityFailed(str(error)) from error


def evict_pod(workflow: str, task: str, namespace: str, context: str) -> dict:  # type: ignore[type-arg]
    """Evict the running pod of a task of an Argo workflow, as a drain does it.

    The namespace must carry the label `chaosml.dev/enabled=true`. A disruption budget that
    refuses fails the action.

    Args:
        workflow: Name of the Workflow object.
        task: Name of the task.
        namespace: Where the workflow runs.
        context: Context of the kubeconfig.
    """
    from chaosml.experiment import pods

    try:
        return pods.evict(pods.open_api(context), namespace, workflow, task)
    except ChaosmlError as error:
        raise ActivityFailed(str(error)) from error


def add_toxic(
    url: str,
    proxy: str,
    name: str,
    type: str,  # noqa: A002 - Toxiproxy's own word
    stream: str = "downstream",
    attributes: dict = None,  # type: ignore[assignment, type-arg]  # noqa: RUF013
) -> bool:
    """Add a toxic to a proxy of a Toxiproxy server, and see that the server has it.

    Args:
        url: Of the server's API, such as `http://127.0.0.1:8474`.
        proxy: Name of the proxy.
        name: Name of the toxic.
        type: `latency`, `bandwidth`, `timeout`, `reset_peer`, …; `down` disables the proxy.
        stream: `upstream` or `downstream`.
        attributes: As the type takes them, whole numbers.
    """
    from chaosml.services.proxies import Proxies

    try:
        Proxies(url).add(proxy, name, type, stream, dict(attributes or {}))
    except ChaosmlError as error:
        raise ActivityFailed(str(error)) from error
    return True


def remove_toxic(url: str, proxy: str, name: str) -> bool:
    """Remove a toxic from a proxy of a Toxiproxy server; one that is not there is left alone.

    Args:
        url: Of the server's API.
        proxy: Name of the proxy.
        name: Name of the toxic; `down` enables the proxy again.
    """
    from chaosml.services.proxies import Proxies

    try:
        Proxies(url).remove(proxy, name)
    except ChaosmlError as error:
        raise ActivityFailed(str(error)) from error
    return True
