"""Argo's controller as a pure function: `reduce(state, observation)`.

Each observation first changes the vertex that it is about; then the whole workflow is
gone through once, from the entrypoint down, and whatever has become possible is done,
as Argo's controller reconciles a workflow. Nothing is read but the arguments, and no
argument is changed.

Sources: argo-workflows workflow/controller/operator.go `operate`, exec_control.go; where
they leave it open what a pod's death looks like, measurements of real Argo decide.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chaosml.workflow import completion
from chaosml.workflow.composition import arguments_of
from chaosml.workflow.execution import execute
from chaosml.workflow.hooks import holds
from chaosml.workflow.model import LifecycleHook, Step, Task, Template, Workflow
from chaosml.workflow.names import hook_name, own_name
from chaosml.workflow.protocol import (
    Finished,
    Observation,
    PodCompleted,
    PodPending,
    PodRunning,
    PodVanished,
    Stop,
    Tick,
    Vertex,
)
from chaosml.workflow.state import (
    ControllerError,
    Invocation,
    MemoEntry,
    Operation,
    ParallelismReached,
    Reduction,
    State,
    TemplateTimeout,
    is_fulfilled,
)
from chaosml.workflow.variables import exit_variables, workflow_variables

__all__ = [
    "Reduction",
    "State",
    "has_file_outputs",
    "reconcile",
    "reduce",
    "start",
    "tasks",
    "templates_of",
]

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def start(
    workflow: Workflow,
    *,
    name: str,
    uid: str,
    parameters: Mapping[str, str],
    at_ns: int,
    created_at: datetime.datetime | None = None,
    memo: Mapping[tuple[str, str], MemoEntry] | None = None,
) -> Reduction:
    """Begin a workflow.

    Args:
        workflow: The document, as `load` has checked it.
        name: Name of the Workflow object.
        uid: Its uid.
        parameters: Values that override those of `spec.arguments`.
        at_ns: Now, on the monotonic clock that observations use.
        created_at: Now, on the wall clock in UTC, for the few variables and messages that show
            it; by default the beginning of 1970.
        memo: What memoized templates gave before, as `State.memo` of another workflow has it;
            None lets every template run, whatever it says about memoizing.

    Raises:
        UnresolvedReference: the value of a workflow parameter names something unknown.
    """
    created_at = created_at or _EPOCH
    variables = workflow_variables(
        workflow, name=name, uid=uid, parameters=parameters, created_at=created_at
    )
    state = State(
        workflow=workflow,
        templates=_effective_templates(workflow),
        name=name,
        uid=uid,
        variables=variables,
        started_ns=at_ns,
        created_at=created_at,
        now_ns=at_ns,
        memo=memo,
    )
    operation = Operation(state, at_ns)
    if state.deadline_ns is not None:
        operation.wake_at(state.deadline_ns)
    _operate(operation)
    return operation.finish()


def reduce(state: State, observation: Observation) -> Reduction:
    """Take an observation and return what follows.

    Once the workflow has finished, nothing follows from anything; the same holds for what is
    observed of a pod after its vertex has ended.

    Raises:
        ValueError: the observation names a pod that this workflow never asked for.
    """
    return reconcile(state, (observation,))


def reconcile(state: State, observations: Sequence[Observation]) -> Reduction:
    """Take several observations before the workflow is gone through once.

    So Argo's controller does it, which looks at all pods and only then decides. The times of
    the observations may stand in any order; what follows from all of them follows at the last.

    Raises:
        ValueError: an observation names a pod that this workflow never asked for.
    """
    if state.is_finished:
        return Reduction(state, (), ())
    operation = Operation(state, state.now_ns)
    for observation in sorted(observations, key=lambda one: one.at_ns):
        operation.now_ns = max(operation.now_ns, observation.at_ns)
        _observe(operation, observation)
    _operate(operation)
    return operation.finish()


def _effective_templates(workflow: Workflow) -> dict[str, Template]:
    """Return the templates by name, `templateDefaults` merged below each, map by map."""
    defaults = workflow.spec.template_defaults
    if defaults is None:
        return {template.name: template for template in workflow.spec.templates}
    below = defaults.model_dump(by_alias=True, exclude_unset=True)
    return {
        template.name: Template.model_validate(
            _merged(below, template.model_dump(by_alias=True, exclude_unset=True))
        )
        for template in workflow.spec.templates
    }


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**below, **above}
    for key in below.keys() & above.keys():
        if isinstance(below[key], Mapping) and isinstance(above[key], Mapping):
            merged[key] = _merged(below[key], above[key])
    return merged


def _observe(operation: Operation, observation: Observation) -> None:
    if isinstance(observation, Tick):
        return
    if isinstance(observation, Stop):
        operation.shutdown = observation.strategy
        return
    vertex = _vertex_of(operation, observation.pod)
    if is_fulfilled(vertex):
        return
    match observation:
        case PodPending():
            operation.mark(vertex.name, "Pending", observation.message)
        case PodRunning():
            message = _running_message(vertex)
            operation.mark(vertex.name, "Running", message, node=observation.node)
        case PodCompleted():
            completion.complete(operation, vertex, observation)
        case PodVanished():
            _vanish(operation, vertex, observation)


def _vertex_of(operation: Operation, pod: str) -> Vertex:
    spec = operation.specs.get(pod)
    if spec is None:
        known = ", ".join(operation.specs) or "none"
        raise ValueError(f"no pod of this workflow is called {pod!r} (its pods: {known})")
    return operation.vertex(spec.vertex)


def _running_message(vertex: Vertex) -> str:
    """Clear the reason for having been Pending; only a past deletion stays visible."""
    return vertex.message if vertex.message == completion.DELETED else ""


def _vanish(operation: Operation, vertex: Vertex, observation: PodVanished) -> None:
    """Treat a pod object that is gone.

    An attempt whose pod was not seen running, or went without a grace period, gets a new pod
    under the same name and uses up no retry, also where there is no retryStrategy.
    """
    if vertex.phase == "Pending":
        _make_again(operation, vertex, observation.pod)
        return
    known: dict[str, Any] = {}
    if observation.exit_code is not None:
        known["exit_code"] = str(observation.exit_code)
        known |= {"outputs": dict(observation.outputs), "result": observation.result}
    operation.mark(vertex.name, "Error", completion.DELETED, **known)
    if observation.graceless:
        operation.mark(vertex.name, "Pending", node="")
        _make_again(operation, vertex, observation.pod)


def _make_again(operation: Operation, vertex: Vertex, pod: str) -> None:
    """Ask for a pod once more, with what is left of its template's timeout."""
    spec = operation.specs[pod]
    if pod in operation.timeouts:
        seconds = (operation.timeouts[pod] - operation.now_ns) // 1_000_000_000
        if seconds <= 1:
            operation.mark(vertex.name, "Error", f"{vertex.name} exceeded its deadline")
            return
        spec = dataclasses.replace(spec, deadline_s=float(seconds))
    operation.create_pod(spec)


def _operate(operation: Operation) -> None:
    _end_overdue_attempts(operation)
    _end_what_may_not_run(operation)
    state = operation.before
    entrypoint = state.workflow.spec.entrypoint
    root = Invocation(vertex=state.name, template=entrypoint, task=own_name(entrypoint))
    try:
        vertex = execute(operation, root, _arguments(state))
    except ParallelismReached:
        return
    except (ControllerError, TemplateTimeout) as error:
        _finish(operation, "Error", f"error in entry template execution: {error}")
        return
    phase = "Succeeded" if vertex.phase in ("Skipped", "Omitted") else vertex.phase
    ended = exit_variables(state, phase, operation.vertices(), operation.now_ns)
    operation.extend_variables(ended)
    if not _run_hooks(operation, vertex) or not is_fulfilled(operation.vertex(vertex.name)):
        return
    message = vertex.message
    if phase != "Succeeded" and operation.shutdown is not None:
        message = f"Stopped with strategy '{operation.shutdown}'"
    _run_exit_handler(operation, phase, message)


def _arguments(state: State) -> dict[str, str]:
    stem = "workflow.parameters."
    listed = f"{stem}json"
    return {
        name.removeprefix(stem): value
        for name, value in state.variables.items()
        if name.startswith(stem) and name != listed
    }


def _end_overdue_attempts(operation: Operation) -> None:
    """Signal the pods whose retries' `maxDuration` is over; they end by themselves then."""
    for pod, deadline_ns in tuple(operation.deadlines.items()):
        if is_fulfilled(operation.vertex(operation.specs[pod].vertex)):
            del operation.deadlines[pod]
        elif operation.now_ns >= deadline_ns:
            del operation.deadlines[pod]
            operation.stop_pod(pod, "retryStrategy.backoff.maxDuration is over")


def _end_what_may_not_run(operation: Operation) -> None:
    """Fail the pods that a shutdown or the workflow's deadline ends."""
    for vertex in operation.vertices():
        if vertex.pod is None or is_fulfilled(vertex):
            continue
        if not operation.may_run(on_exit=vertex.on_exit):
            message = f"workflow shutdown with strategy:  {operation.shutdown}"
        elif operation.past_deadline and not vertex.on_exit:
            message = "Step exceeded its deadline"
        else:
            continue
        operation.mark(vertex.name, "Failed", message)
        operation.stop_pod(vertex.pod, message)


def _run_hooks(operation: Operation, root: Vertex) -> bool:
    """Run the workflow's hooks with expressions; tell whether those that began have ended."""
    ended = True
    for name, hook in operation.before.workflow.spec.hooks.items():
        vertex = hook_name(operation.before.name, name)
        if name == "exit":
            continue
        try:
            if operation.find(vertex) is None and not holds(
                hook, vertex, operation.before.variables
            ):
                continue
            ended &= is_fulfilled(_run_hook(operation, hook, vertex))
        except (ControllerError, ParallelismReached, TemplateTimeout) as error:
            # An expression or a hook that is wrong makes the entrypoint wrong, as it is in Argo.
            operation.mark(root.name, "Error", str(error))
    return ended


def _run_hook(operation: Operation, hook: LifecycleHook, vertex: str) -> Vertex:
    invocation = Invocation(
        vertex=vertex, template=hook.template, task=own_name(hook.template), hooked=True
    )
    arguments = arguments_of(hook.arguments, operation.before.variables)
    try:
        return execute(operation, invocation, arguments)
    finally:
        if operation.find(vertex) is not None:
            operation.connect(operation.before.name, vertex)


def _run_exit_handler(operation: Operation, phase: str, message: str) -> None:
    """Run the exit hook once the main part has ended, then finish the workflow."""
    state = operation.before
    hook = state.workflow.spec.exit_hook
    name = hook_name(state.name, "exit")
    may_run = operation.may_run(on_exit=True) or operation.find(name) is not None
    if hook is None or not may_run:
        _finish(operation, phase, message)
        return
    invocation = Invocation(
        vertex=name,
        template=hook.template,
        task=own_name(hook.template),
        hooked=True,
        on_exit=True,
    )
    try:
        arguments = arguments_of(hook.arguments, state.variables) or _arguments(state)
        vertex = execute(operation, invocation, arguments)
    except ParallelismReached:
        return
    except (ControllerError, TemplateTimeout) as error:
        _finish(operation, "Error", f"error in exit template execution: {error}")
        return
    if not is_fulfilled(vertex):
        return
    if phase == "Succeeded" and vertex.phase in ("Failed", "Error"):
        _finish(operation, vertex.phase, vertex.message)
    else:
        _finish(operation, phase, message)


def _finish(operation: Operation, phase: str, message: str) -> None:
    operation.phase, operation.message = phase, message
    operation.commands.append(Finished(phase, message))


def tasks(workflow: Workflow) -> tuple[str, ...]:
    """Return the names of the tasks and steps that are pods, the exit handler's last."""
    return tuple(dict.fromkeys(task for task, _ in _pod_tasks(workflow)))


def templates_of(workflow: Workflow, task: str) -> tuple[str, ...]:
    """Return the names of the pod templates that a task runs; more than one is rare."""
    found = (template.name for name, template in _pod_tasks(workflow) if name == task)
    return tuple(name for name in found if name)


def has_file_outputs(workflow: Workflow, task: str) -> bool:
    """Tell whether a task's pod gives output parameters that are read from files."""
    return any(
        output.value_from.path is not None
        for name, template in _pod_tasks(workflow)
        if name == task
        for output in template.outputs.parameters
    )


def _pod_tasks(workflow: Workflow) -> Iterator[tuple[str, Template]]:
    """Yield every task that runs a pod template, as far as the entrypoint and onExit reach."""
    spec = workflow.spec
    hooks = [*spec.hooks.values(), *([spec.exit_hook] if spec.exit_hook is not None else [])]
    roots = [*(hook.template for hook in hooks), spec.entrypoint]
    reached = [(own_name(name), name) for name in roots]
    seen: set[tuple[str, str]] = set()
    while reached:
        task, name = reached.pop()
        if (task, name) in seen:
            continue
        seen.add((task, name))
        template = workflow.template(name)
        if template.main is not None:
            yield task, template
        steps = [step for group in template.steps or () for step in group]
        inner: list[Step | Task] = [*steps, *(template.dag.tasks if template.dag else ())]
        for child in reversed(inner):
            reached += [
                (hook_name(child.name, name), hook.template) for name, hook in child.hooks.items()
            ]
            reached.append((child.name, child.template))
