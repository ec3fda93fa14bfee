"""Memoized templates: what they gave for the same key before, they give again without a pod.

The cache is a part of the state, and only there if whoever starts a workflow asks for it:
a step that does not run is not tested either.

Source: argo-workflows workflow/controller/operator.go `executeTemplate`, cache/cache.go.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from chaosml.workflow.model import Template
from chaosml.workflow.protocol import Vertex
from chaosml.workflow.retry import parse_duration_ns
from chaosml.workflow.state import ControllerError, Invocation, MemoEntry, Operation
from chaosml.workflow.substitution import UnresolvedReference, substitute
from chaosml.workflow.variables import inputs_of

__all__ = ["note", "recall"]


def recall(
    operation: Operation,
    invocation: Invocation,
    template: Template,
    variables: Mapping[str, str],
) -> Vertex | None:
    """Return a new vertex with the outputs of the cache; None where the template has to run.

    Raises:
        ControllerError: the key or the greatest age cannot be resolved.
    """
    note(operation, invocation, template, variables)
    key = operation.memo_keys.get(invocation.vertex)
    if key is None or operation.memo is None or template.memoize is None:
        return None
    entry = operation.memo.get(key)
    if entry is None or not _is_fresh(operation, entry, template.memoize.max_age, variables):
        return None
    return operation.add(
        invocation,
        _type_of(template),
        "Succeeded",
        memoized=True,
        inputs=inputs_of(variables),
        outputs=entry.outputs,
        result=entry.result,
        exit_code=entry.exit_code,
    )


def note(
    operation: Operation,
    invocation: Invocation,
    template: Template,
    variables: Mapping[str, str],
) -> None:
    """Note under which key the outputs of a vertex will be kept.

    Raises:
        ControllerError: the key cannot be resolved.
    """
    if template.memoize is None or operation.memo is None:
        return
    cache = _fill(template.memoize.cache.config_map.name, variables)
    operation.memo_keys[invocation.vertex] = (cache, _fill(template.memoize.key, variables))


def _fill(text: str, variables: Mapping[str, str]) -> str:
    try:
        return substitute(text, variables)
    except UnresolvedReference as error:
        raise ControllerError(str(error)) from error


def _is_fresh(
    operation: Operation, entry: MemoEntry, max_age: str | None, variables: Mapping[str, str]
) -> bool:
    if not max_age:
        return True
    try:
        limit_ns = parse_duration_ns(_fill(max_age, variables))
    except ControllerError as error:
        raise ControllerError(f"invalid maxAge: {error}") from error
    age = operation.before.timestamp(operation.now_ns) - entry.saved_at
    return age <= datetime.timedelta(microseconds=limit_ns // 1000)


def _type_of(template: Template) -> str:
    """Return the type that the vertex would have had; a strategy of the template comes first."""
    if template.retry_strategy is not None:
        return "Retry"
    if template.main is not None:
        return "Pod"
    return "DAG" if template.dag is not None else "Steps"
