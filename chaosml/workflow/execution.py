"""How the controller executes a template as a vertex: `executeTemplate` of Argo's operator.go.

    execute ─► retryStrategy? ─► Retry vertex ─► attempt (n) ─┐
       └────────────────────────────────────────────────────► pod | dag | steps

It is called again and again for the same vertex and does what has become possible since.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from chaosml.workflow import dag, limits, memo, podspec, retry, steps
from chaosml.workflow.model import RetryStrategy, Template
from chaosml.workflow.names import pod_name
from chaosml.workflow.protocol import Vertex
from chaosml.workflow.state import ControllerError, Invocation, Operation, is_fulfilled
from chaosml.workflow.substitution import UnresolvedReference, substitute_all
from chaosml.workflow.variables import inputs_of, template_variables

__all__ = ["execute"]

_DEPTH_MAX = 60
"""Argo allows 100; Python's own stack would not hold them."""
_ATTEMPTS_AT_ONCE_MAX = 1000


def execute(operation: Operation, invocation: Invocation, arguments: Mapping[str, str]) -> Vertex:
    """Execute a template as far as it gets now.

    Raises:
        ControllerError: it cannot be executed. Its vertex is Error by then.
        ParallelismReached: it may not be executed yet.
        TemplateTimeout: it waited too long to be. Its vertex is Failed by then.
    """
    vertex = operation.find(invocation.vertex)
    if vertex is not None and is_fulfilled(vertex):
        return vertex
    template = operation.before.templates[invocation.template]
    try:
        if invocation.depth > _DEPTH_MAX:
            raise ControllerError("Maximum recursion depth exceeded")
        variables = template_variables(operation.before, template, invocation, arguments)
        ended = limits.admit(operation, invocation, template, variables)
        if ended is None and vertex is None:
            ended = memo.recall(operation, invocation, template, variables)
        if ended is not None:
            return ended
        strategy = _strategy(operation, template, variables)
        if strategy is not None:
            return _execute_with_retries(operation, invocation, template, variables, strategy)
        return _execute_once(operation, invocation, template, variables)
    except ControllerError as error:
        operation.mark_error(invocation, str(error))
        raise


def _strategy(
    operation: Operation, template: Template, variables: Mapping[str, str]
) -> RetryStrategy | None:
    """Return the template's strategy, or the workflow's, with its tags substituted."""
    strategy = template.retry_strategy or operation.before.workflow.spec.retry_strategy
    if strategy is None:
        return None
    written = strategy.model_dump(by_alias=True, exclude_none=True)
    try:
        return RetryStrategy.model_validate(substitute_all(written, variables))
    except UnresolvedReference as error:
        raise ControllerError(str(error)) from error


def _execute_with_retries(
    operation: Operation,
    invocation: Invocation,
    template: Template,
    variables: Mapping[str, str],
    strategy: RetryStrategy,
) -> Vertex:
    """Run one attempt after the other until one runs, must wait, or decides the Retry vertex."""
    if operation.find(invocation.vertex) is None:
        operation.add(invocation, "Retry", "Running", inputs=inputs_of(variables))
    for _ in range(_ATTEMPTS_AT_ONCE_MAX):
        attempts = _attempts(operation, invocation.vertex)
        decision = retry.decide(operation, strategy, attempts)
        if decision.phase is not None:
            return _end(operation, invocation.vertex, attempts[-1], decision)
        if decision.message is not None:
            operation.mark(invocation.vertex, "Running", decision.message)
        if decision.wake_ns is not None:
            operation.wake_at(decision.wake_ns)
            break
        number = len(attempts) - 1 if decision.next_attempt is None else decision.next_attempt
        attempt = _attempt(invocation, number, decision.deadline_ns, strategy)
        last = attempts[number - 1] if number else None
        if not _run_attempt(operation, attempt, invocation, template, variables, strategy, last):
            break
    else:
        raise ControllerError(f"{_ATTEMPTS_AT_ONCE_MAX} attempts in a row ended at once")
    return operation.vertex(invocation.vertex)


def _attempts(operation: Operation, name: str) -> list[Vertex]:
    children = (operation.find(child) for child in operation.vertex(name).children)
    return [child for child in children if child is not None and child.retried]


def _attempt(
    invocation: Invocation, number: int, deadline_ns: int | None, strategy: RetryStrategy
) -> Invocation:
    affinity = strategy.affinity
    avoids = affinity is not None and affinity.node_anti_affinity is not None
    return dataclasses.replace(
        invocation,
        vertex=f"{invocation.vertex}({number})",
        attempt=number,
        deadline_ns=deadline_ns,
        avoiding=invocation.vertex if avoids else None,
    )


def _run_attempt(
    operation: Operation,
    attempt: Invocation,
    invocation: Invocation,
    template: Template,
    variables: Mapping[str, str],
    strategy: RetryStrategy,
    last: Vertex | None,
) -> bool:
    """Execute an attempt and tell whether it has ended already."""
    operation.connect(invocation.vertex, attempt.vertex)
    memo.note(operation, attempt, template, variables)
    own = {**variables, **retry.attempt_variables(attempt.attempt or 0, last)}
    if template.main is not None:
        own["pod.name"] = pod_name(operation.before.name, attempt.vertex, template.name)
    try:
        return is_fulfilled(_execute_once(operation, attempt, template, own))
    except ControllerError as error:
        operation.mark_error(attempt, str(error))
        policy = strategy.retry_policy or ("Always" if strategy.expression else "OnFailure")
        # What cannot be executed will not get better; without a limit it would never end.
        if policy == "OnFailure" or strategy.limit is None:
            raise
        return True


def _end(operation: Operation, name: str, last: Vertex, decision: retry.Decision) -> Vertex:
    """End the Retry vertex with the outputs of its last attempt."""
    return operation.mark(
        name,
        decision.phase or last.phase,
        decision.message,
        outputs=last.outputs,
        result=last.result,
        exit_code=last.exit_code,
    )


def _execute_once(
    operation: Operation,
    invocation: Invocation,
    template: Template,
    variables: Mapping[str, str],
) -> Vertex:
    if template.dag is not None:
        _add_once(operation, invocation, "DAG", variables)
        return dag.execute(operation, invocation, template, variables, execute)
    if template.steps is not None:
        _add_once(operation, invocation, "Steps", variables)
        return steps.execute(operation, invocation, template, variables, execute)
    return _execute_pod(operation, invocation, template, variables)


def _add_once(
    operation: Operation, invocation: Invocation, kind: str, variables: Mapping[str, str]
) -> None:
    if operation.find(invocation.vertex) is None:
        operation.add(invocation, kind, "Running", inputs=inputs_of(variables))


def _execute_pod(
    operation: Operation,
    invocation: Invocation,
    template: Template,
    variables: Mapping[str, str],
) -> Vertex:
    vertex = operation.find(invocation.vertex)
    if vertex is not None:
        return vertex
    spec = podspec.build(operation, template, invocation, variables)
    vertex = operation.add(invocation, "Pod", "Pending", pod=spec.pod, inputs=inputs_of(variables))
    if not operation.may_run(on_exit=invocation.on_exit):
        message = f"workflow shutdown with strategy: {operation.shutdown}"
        return operation.mark(vertex.name, "Failed", message)
    if operation.past_deadline and not invocation.on_exit:
        return operation.mark(vertex.name, "Failed", "Step exceeded its deadline")
    operation.create_pod(spec)
    timeout_ns = limits.timeout_ns(template, variables)
    if timeout_ns is not None:
        operation.timeouts[spec.pod] = operation.now_ns + timeout_ns
        if not vertex.retried:
            operation.wake_at(operation.now_ns + timeout_ns + 1)
    if invocation.deadline_ns is not None:
        operation.deadlines[spec.pod] = invocation.deadline_ns
        operation.wake_at(invocation.deadline_ns)
    return vertex
