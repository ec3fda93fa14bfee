"""The pass over real Argo: all workflows at once in a namespace of their own, some of them struck.

A thread submits and polls, so that the embedded side can work meanwhile; whoever needs an
outcome waits for it by name.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from chaosml import clock
from chaosml.errors import ChaosmlError
from chaosml.substrates.kubernetes.api import KubernetesApi, path_of
from chaosml.substrates.kubernetes.refusals import ApiError
from differential.cases import UNTIL, Case
from differential.outcome import Outcome, from_argo

__all__ = ["ArgoPass", "argo_pass"]

NAMESPACE = "differential"
_ARGO = "argoproj.io/v1alpha1"
_AT_ONCE = 8
_STRUCK_AT_ONCE = 9
"""Those that are struck mostly wait; beside them the others use the time."""
_LIVES_S = (75, 200, 400)
"""How long a program that is struck lives otherwise: to start, to settle and to be struck. Where
that was too short, as on a machine with much else to do, the case is run anew with the next."""
_POLL_S = 2.0
_SETTLED_S = 12.0
"""From the time at which Argo shows a vertex Running: a strike before that is another case."""
_GONE_S = 120.0
_KINDS = {"Workflow": "workflows", "WorkflowTemplate": "workflowtemplates"}
_KILL = "kill -KILL $(grep -l '^sleep$' /proc/[0-9]*/comm | cut -d/ -f3)"


@dataclass
class _Progress:
    case: Case
    name: str
    running_since: clock.Deadline | None = None
    struck: str | None = None
    """The uid of the pod that was struck."""
    pods: dict[str, str] = field(default_factory=dict)
    """Names of the pods that were seen, by uid."""


class ArgoPass:
    """Runs cases on Argo; what counts of every case is the workflow called `name_of(case)`."""

    def __init__(self, api: KubernetesApi, cases: Iterable[Case], token: str) -> None:
        self._api = api
        cases = list(cases)
        self._names = {case.name: f"{case.name[: 60 - len(token)]}-{token}" for case in cases}
        self._lives = {case.name: list(_LIVES_S) for case in cases}
        self._struck = [case for case in cases if case.way is not None]
        self._undisturbed = [case for case in cases if case.way is None]
        self._running: dict[str, _Progress] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._news = threading.Condition()
        self._failure: ChaosmlError | None = None
        self._over = False
        self._thread = threading.Thread(target=self._run, name="argo-pass")

    def name_of(self, case: Case) -> str:
        """Return the name of its workflow; that of one that is struck is sure once it has ended."""
        return self._names[case.name]

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._over = True
        self._thread.join(30.0)
        assert not self._thread.is_alive()

    def outcome(self, case: Case, limit_s: float) -> Outcome:
        """Wait for what a case came to."""
        with self._news:
            self._news.wait_for(
                lambda: case.name in self._outcomes or self._failure is not None, limit_s
            )
        if self._failure is not None:
            raise self._failure
        assert case.name in self._outcomes, f"{case.name} did not end on Argo within {limit_s:g} s"
        return self._outcomes[case.name]

    def _run(self) -> None:
        try:
            while not self._over and (self._struck or self._undisturbed or self._running):
                self._submit()
                self._look()
                clock.pause(_POLL_S)
        except ChaosmlError as error:
            with self._news:
                self._failure = error
                self._news.notify_all()

    def _submit(self) -> None:
        running = [one.case for one in self._running.values()]
        struck = sum(case.way is not None for case in running)
        for case in self._struck[: _STRUCK_AT_ONCE - struck]:
            self._struck.remove(case)
            self._begin(case)
        for case in self._undisturbed[: _AT_ONCE - (len(running) - struck)]:
            self._undisturbed.remove(case)
            self._begin(case)

    def _begin(self, case: Case) -> None:
        workflow, *templates = case.documents
        for template in templates:
            self._api.create(self._path(template), template)
        spec = workflow["spec"]
        if case.way is not None:
            until = f"{clock.utc_now().timestamp() + self._lives[case.name].pop(0):.0f}"
            spec = {**spec, "arguments": {"parameters": [{"name": UNTIL, "value": until}]}}
        name = self.name_of(case)
        self._running[name] = _Progress(case, name)
        body = {**workflow, "metadata": {"name": name}, "spec": spec}
        self._api.create(self._path(workflow), body)

    def _path(self, document: Mapping[str, Any]) -> str:
        return path_of(_KINDS[document["kind"]], namespace=NAMESPACE, group=_ARGO)

    def _look(self) -> None:
        if any(one.case.way is not None for one in self._running.values()):
            self._note_pods()
        workflows = self._api.get(path_of("workflows", namespace=NAMESPACE, group=_ARGO))
        for workflow in workflows["items"]:
            progress = self._running.get(workflow["metadata"]["name"])
            if progress is None:
                continue
            labels = workflow["metadata"].get("labels") or {}
            if labels.get("workflows.argoproj.io/completed") == "true":
                self._note_end(progress, workflow)
            elif progress.case.way is not None and progress.struck is None:
                self._strike_settled(progress, workflow)

    def _note_pods(self) -> None:
        for pod in self._api.get(path_of("pods", namespace=NAMESPACE))["items"]:
            meta = pod["metadata"]
            owner = (meta.get("labels") or {}).get("workflows.argoproj.io/workflow")
            if owner in self._running:
                self._running[owner].pods.setdefault(meta["uid"], meta["name"])

    def _note_end(self, progress: _Progress, workflow: Mapping[str, Any]) -> None:
        case, lives = progress.case, self._lives[progress.case.name]
        del self._running[progress.name]
        if case.way is not None and progress.struck is None and lives:
            self._names[case.name] = f"{progress.name}-{len(lives)}"
            self._struck.append(case)
            return
        view = None if progress.struck is None else _view(progress, workflow)
        with self._news:
            self._outcomes[case.name] = from_argo(workflow, view)
            self._news.notify_all()

    def _strike_settled(self, progress: _Progress, workflow: Mapping[str, Any]) -> None:
        nodes = ((workflow.get("status") or {}).get("nodes") or {}).values()
        if not any(node["type"] == "Pod" and node["phase"] == "Running" for node in nodes):
            return
        if progress.running_since is None:
            progress.running_since = clock.Deadline("settled", _SETTLED_S)
        if progress.running_since.passed:
            uid, pod = next(iter(progress.pods.items()))
            if self._strike(pod, progress.case.way or ""):
                progress.struck = uid

    def _strike(self, pod: str, way: str) -> bool:
        """Strike a pod; tell whether it could be."""
        try:
            return self._do(pod, way)
        except ApiError as error:
            if error.status != 404:
                raise
            return False

    def _do(self, pod: str, way: str) -> bool:
        path = path_of("pods", namespace=NAMESPACE, name=pod)
        match way:
            case "delete" | "delete-exit-0":
                self._api.delete(path)
            case "force":
                self._api.delete(path, {"gracePeriodSeconds": 0})
            case "evict":
                meta = {"name": pod, "namespace": NAMESPACE}
                body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta}
                self._api.create(f"{path}/eviction", body)
            case "kill":
                return self._api.run(NAMESPACE, pod, "main", ["sh", "-c", _KILL]).code == 0
        return True


def _view(progress: _Progress, workflow: Mapping[str, Any]) -> str:
    """Tell how the death of the struck pod surfaced, by what Argo shows."""
    assert progress.struck is not None
    same = [name for name in progress.pods.values() if name == progress.pods[progress.struck]]
    if len(same) > 1:
        return "restarted"
    nodes = [one for one in workflow["status"]["nodes"].values() if one["type"] == "Pod"]
    first = min(nodes, key=lambda node: (node["startedAt"], node["name"]))
    return "gone" if first.get("message") == "pod deleted" else "seen"


@contextlib.contextmanager
def argo_pass(context: str, cases: Iterable[Case]) -> Iterator[ArgoPass]:
    """Run cases in a namespace that is there for them only."""
    api = KubernetesApi(context)
    _remove_namespace(api)
    api.create(
        path_of("namespaces"),
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
    )
    try:
        account = path_of("serviceaccounts", namespace=NAMESPACE, name="default")
        _await("ServiceAccount of the namespace", lambda: _exists(api, account))
        running = ArgoPass(api, cases, f"{clock.utc_now():%H%M%S}")
        running.begin()
        try:
            yield running
        finally:
            running.end()
    finally:
        _remove_namespace(api)


def _remove_namespace(api: KubernetesApi) -> None:
    path = path_of("namespaces", name=NAMESPACE)
    if _exists(api, path):
        api.delete(path)
        _await("end of the namespace", lambda: not _exists(api, path))


def _exists(api: KubernetesApi, path: str) -> bool:
    try:
        api.get(path)
    except ApiError as error:
        if error.status != 404:
            raise
        return False
    return True


def _await(what: str, ready: Any) -> None:
    deadline = clock.Deadline(what, _GONE_S)
    assert clock.wait_until(ready, deadline, 0.5), f"no {what} within {_GONE_S:g} s"
