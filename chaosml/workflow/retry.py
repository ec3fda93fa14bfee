"""Whether, when and as what a vertex is tried again.

The order of the questions is that of `processNodeRetries` in argo-workflows
workflow/controller/operator.go, because it shows in phases and messages: backoff is waited
out before the policy is looked at, and the policy before the limit.

    attempts ► succeeded? ► shutdown? deadline? ► backoff ► policy ► limit ► expression ► next
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from chaosml.workflow.expression import ExpressionError, parse
from chaosml.workflow.model import Backoff, RetryStrategy
from chaosml.workflow.protocol import Vertex
from chaosml.workflow.state import ControllerError, Invocation, Operation, is_fulfilled

__all__ = [
    "Decision",
    "attempt_variables",
    "decide",
    "is_transient",
    "nodes_to_avoid",
    "parse_duration_ns",
]

_NS = 1_000_000_000
_LONGEST_NS = 2**63 - 1
"""Go's longest duration, to which an overflow is cut."""
_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": _NS, "m": 60 * _NS, "h": 3600 * _NS}
_HUMAN_UNITS = (
    (360 * 86400, "year"),
    (30 * 86400, "month"),
    (7 * 86400, "week"),
    (86400, "day"),
    (3600, "hour"),
    (60, "minute"),
    (1, "second"),
)
"""In seconds; months and years as Argo's library counts them."""
_DURATION_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)")

_TRANSIENT = (
    "client rate limiter Wait returned an error",
    "etcdserver: leader changed",
    "etcdserver: request timed out",
    "etcdserver: too many requests",
    "unexpected error when reading response body",
    "stream error when reading response body",
    "Connection closed by foreign host",
    "net/http: TLS handshake timeout",
    "i/o timeout",
    "connection timed out",
    "connection reset by peer",
    "http2: client connection lost",
    "http2: server sent GOAWAY and closed the connection",
    "request did not complete within requested timeout",
    "connect: connection refused",
    "invalid connection",
    "upper: no more rows in",
)
"""The string rules of argo-workflows util/errors; TRANSIENT_ERROR_PATTERN is empty by default."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a Retry vertex.

    `phase` is where it ends, or None while it goes on; then `next_attempt` is the number of the
    attempt to start now, or None while one runs or the backoff is being waited out.
    """

    phase: str | None = None
    message: str | None = None
    next_attempt: int | None = None
    deadline_ns: int | None = None
    wake_ns: int | None = None


def decide(operation: Operation, strategy: RetryStrategy, attempts: Sequence[Vertex]) -> Decision:
    """Decide what follows after these attempts; the strategy's tags are substituted.

    Raises:
        ControllerError: the strategy is wrong in a way that shows only now.
    """
    if not attempts:
        return Decision(next_attempt=0)
    last = attempts[-1]
    if not is_fulfilled(last):
        return Decision()
    if last.phase not in ("Failed", "Error"):
        return Decision(phase="Succeeded")
    if ended := _ended_from_outside(operation):
        return Decision(phase=last.phase, message=ended)
    limit = None if strategy.limit is None else _integer(strategy.limit, "limit")
    paused = Decision()
    if strategy.backoff is not None:
        paused = _back_off(operation, strategy.backoff, limit, attempts)
        if paused.phase is not None or paused.wake_ns is not None:
            return paused
    refusal = _refusal(strategy, limit, attempts)
    if refusal is not None:
        return Decision(phase=last.phase, message=refusal)
    return Decision(
        message=paused.message, next_attempt=len(attempts), deadline_ns=paused.deadline_ns
    )


def _ended_from_outside(operation: Operation) -> str | None:
    if operation.shutdown is not None:
        return f"Stopped with strategy '{operation.shutdown}'"
    if operation.past_deadline and operation.before.deadline_ns is not None:
        deadline = operation.before.timestamp(operation.before.deadline_ns)
        return f"retry exceeded workflow deadline {deadline:%Y-%m-%d %H:%M:%S} +0000 UTC"
    return None


def _back_off(
    operation: Operation, backoff: Backoff, limit: int | None, attempts: Sequence[Vertex]
) -> Decision:
    last = attempts[-1]
    deadline_ns: int | None = None
    if backoff.max_duration:
        deadline_ns = (attempts[0].started_ns or 0) + parse_duration_ns(backoff.max_duration)
        if operation.now_ns > deadline_ns:
            return Decision(phase=last.phase, message="Max duration limit exceeded")
    wait_ns = _wait_ns(backoff, len(attempts))
    # Argo counts from `finishedAt`; where that is empty, every wait lies in a distant past.
    until_ns = operation.now_ns if last.unstamped else (last.finished_ns or 0) + wait_ns
    if deadline_ns is not None and until_ns > deadline_ns:
        return Decision(phase=last.phase, message="Backoff would exceed max duration limit")
    # Without a limit Argo does not wait at all, nor after the last attempt that it allows.
    if operation.now_ns < until_ns and limit is not None and len(attempts) <= limit:
        return Decision(message=f"Backoff for {_humanize(wait_ns)}", wake_ns=until_ns)
    return Decision(message="", deadline_ns=deadline_ns)


def _wait_ns(backoff: Backoff, attempts: int) -> int:
    if not backoff.duration:
        raise ControllerError("no base duration specified for retryStrategy")
    wait_ns = parse_duration_ns(backoff.duration)
    factor = _integer(backoff.factor, "backoff.factor") if backoff.factor else 0
    if factor > 1:
        # Past 63 doublings everything is cut anyway; the bound keeps the number small.
        wait_ns = min(wait_ns * factor ** min(attempts - 1, 64), _LONGEST_NS)
    if backoff.cap:
        wait_ns = min(wait_ns, parse_duration_ns(backoff.cap))
    return wait_ns


def _refusal(strategy: RetryStrategy, limit: int | None, attempts: Sequence[Vertex]) -> str | None:
    """Return the message with which the attempts end, which may be empty; None if they go on."""
    last = attempts[-1]
    policy = strategy.retry_policy or ("Always" if strategy.expression else "OnFailure")
    retried = {
        "Always": True,
        "OnFailure": last.phase == "Failed",
        "OnError": last.phase == "Error",
        "OnTransientError": is_transient(last.message),
    }[policy]
    if not retried:
        return last.message
    if limit is not None and len(attempts) > limit:
        return "No more retries left"
    if strategy.expression and not _expression_holds(strategy.expression, attempts):
        return "retryStrategy.expression evaluated to false"
    return None


def _expression_holds(source: str, attempts: Sequence[Vertex]) -> bool:
    variables = attempt_variables(len(attempts) - 1, attempts[-1], exit_code="-1")
    last = {name.partition(".")[2]: value for name, value in variables.items() if "." in name}
    try:
        return parse(source).holds({"retries": variables["retries"], "lastRetry": last})
    except ExpressionError as error:
        raise ControllerError(f"retryStrategy.expression {source!r}: {error}") from error


def attempt_variables(
    number: int, last: Vertex | None, *, exit_code: str = "0"
) -> Mapping[str, str]:
    """Return `retries` and `lastRetry.*`.

    Args:
        number: The value of `retries`.
        last: The attempt before.
        exit_code: `lastRetry.exitCode` where there is none: Argo has "0" in templates and "-1"
            in the retry expression.
    """
    seconds = 0
    stamped = last if last is not None and not last.unstamped else None
    if stamped and stamped.started_ns is not None and stamped.finished_ns is not None:
        seconds = (stamped.finished_ns - stamped.started_ns) // _NS
    return {
        "retries": str(number),
        "lastRetry.exitCode": (last.exit_code if last else None) or exit_code,
        "lastRetry.duration": str(seconds),
        "lastRetry.status": last.phase if last else "",
        "lastRetry.message": last.message if last else "",
    }


def nodes_to_avoid(operation: Operation, invocation: Invocation) -> tuple[str, ...]:
    """Return the nodes on which attempts failed, where `affinity.nodeAntiAffinity` avoids them."""
    if invocation.avoiding is None:
        return ()
    failed = (
        vertex.node
        for vertex in _below(operation, operation.vertex(invocation.avoiding))
        if vertex.type == "Pod" and vertex.phase in ("Failed", "Error") and vertex.node
    )
    return tuple(dict.fromkeys(failed))


def _below(operation: Operation, vertex: Vertex) -> Iterator[Vertex]:
    seen: set[str] = set()
    waiting = list(vertex.children)
    while waiting:
        name = waiting.pop(0)
        found = operation.find(name)
        if found is None or name in seen:
            continue
        seen.add(name)
        waiting += found.children
        yield found


def is_transient(message: str) -> bool:
    """Tell whether `OnTransientError` retries a vertex with this message."""
    return any(rule in message for rule in _TRANSIENT)


def parse_duration_ns(text: str) -> int:
    """Return a duration as Argo reads it: bare seconds, or Go's form such as `1m30s`.

    Raises:
        ControllerError: it is neither.
    """
    if re.fullmatch(r"\d+", text):
        return int(text) * _NS
    parts = _DURATION_PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ControllerError(
            f'unable to parse {text} as a duration: time: invalid duration "{text}"'
        )
    return sum(round(float(number) * _UNITS[unit]) for number, unit in parts)


def _integer(text: str, what: str) -> int:
    if not re.fullmatch(r"[+-]?\d+", text):
        raise ControllerError(f"retryStrategy.{what} must be a whole number, not {text!r}")
    return int(text)


def _humanize(duration_ns: int) -> str:
    """Return a duration in the words of Argo's messages: `1 minute 30 seconds`, two units at most.

    Source: argo-workflows util/humanize/humanize.go `Duration`.
    """
    seconds = duration_ns // _NS
    size, unit = next(one for one in _HUMAN_UNITS if seconds >= one[0] or one[0] == 1)
    first = f"{seconds // size} {unit}{'' if seconds // size == 1 else 's'}"
    if seconds < 60:
        return first
    if seconds < 3600:
        return f"{first} {seconds % 60} seconds"
    if seconds < 86400:
        return f"{first} {seconds // 60 % 60} minutes"
    return f"{first} {seconds // 3600 % 24} hours"
