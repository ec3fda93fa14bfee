"""Evidence of faults that end nothing by themselves: a program that hung, or got a signal."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.checkers.doubt import Doubt
from chaosml.event import InjectionArmed
from chaosml.timeline.model import Pod, Timeline
from chaosml.timeline.moment import Moment
from chaosml.timeline.sources import CONTROL, GATE, KUBELET

__all__ = ["SURVIVALS", "examine"]

_PAUSE = "container.pause"
_SIGNAL = "container.kill"
SURVIVALS = frozenset({_PAUSE, _SIGNAL})
"""The kinds of faults that are examined here, where they are not lethal."""


def examine(timeline: Timeline, armed: InjectionArmed) -> Iterator[tuple[Moment, str]]:
    """Yield what shows that a fault took effect, each with what it says.

    Raises:
        Doubt: it is not shown.
    """
    found = _paused if armed.inject == _PAUSE else _signalled
    pods = timeline.pods_of(armed.task)
    pod = next((pod for pod in pods if _touched(pod, armed.injection)), None)
    if pod is None:
        raise Doubt("no-strike", f"no program of {armed.task} was seen to be touched")
    yield from found(pod, armed.injection)
    doubt = timeline.doubt(KUBELET, CONTROL, GATE) or timeline.doubt_of_logs([pod])
    if doubt:
        raise Doubt("evidence-lost", doubt)


def _touched(pod: Pod, injection: str) -> bool:
    makers = [seen.fact.by for seen in pod.paused] + [seen.fact.by for seen in pod.signals]
    return injection in makers


def _paused(pod: Pod, injection: str) -> Iterator[tuple[Moment, str]]:
    """Yield that a program stood still, and how that ended."""
    paused = next((seen for seen in pod.paused if seen.fact.by == injection), None)
    if paused is None:
        raise Doubt("not-paused", f"the program of pod {pod.uid} was not seen standing still")
    yield paused.at, f"{paused.fact.processes} processes of pod {pod.uid} in state T"
    for resumed in pod.resumed:
        if resumed.fact.by == injection:
            yield resumed.at, f"pod {pod.uid} told to go on"
    if pod.died_paused_by is paused and pod.exited is not None:
        code = pod.exited.fact.exit_code
        yield pod.exited.at, f"pod {pod.uid} was ended as it hung: {code}"


def _signalled(pod: Pod, injection: str) -> Iterator[tuple[Moment, str]]:
    """Yield that a signal reached a program, which went on."""
    sent = next(seen for seen in pod.signals if seen.fact.by == injection)
    yield sent.at, f"{sent.fact.signal} to pod {pod.uid}"
    if pod.exited is None:
        raise Doubt("end-not-seen", f"the end of pod {pod.uid} was not seen")
    code = pod.exited.fact.exit_code
    yield pod.exited.at, f"pod {pod.uid} exited {code}"
    if code != 0:
        raise Doubt("not-survived", f"pod {pod.uid} did not survive {sent.fact.signal}")
