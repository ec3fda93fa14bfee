"""The emptying of a node, as `kubectl drain` does it: closed, then every pod evicted.

A disruption budget that refuses is asked again until the limit. Pods of DaemonSets stay,
as they do with kubectl: only pods of the pipeline are evicted at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chaosml.errors import FaultRefused
from chaosml.event import Event, PodExited
from chaosml.faults.script import Cordon, Evict, Pause, Scene, Script, Until
from chaosml.substrates.protocol import PodView

__all__ = ["await_deaths", "drain", "exit_of"]

_RETRY_S = 5.0
"""As kubectl: the pause before a refused eviction is tried again."""
_DEATH_S = 600.0


def exit_of(uid: str) -> Callable[[Event], bool]:
    """Return what recognises the end of a pod."""
    return lambda event: isinstance(event.data, PodExited) and event.data.uid == uid


def drain(node: str, view: str, patience_s: float, scene: Scene) -> Script:
    """Cordon, evict, wait until the pods are dead.

    Args:
        node: Its name.
        view: What the controller shall get to see of the deaths, where that can be chosen.
        patience_s: How long budgets may refuse.
        scene: The moment.

    Raises:
        FaultRefused: a budget went on refusing until the limit.
    """
    yield Cordon(node)
    left_s = patience_s
    pods = scene.pods_on(node)
    for pod in pods:
        while True:
            try:
                yield Evict(pod.uid, view)
                break
            except FaultRefused as refusal:
                if left_s < _RETRY_S:
                    raise FaultRefused(
                        refusal.why, f"not drained within {patience_s:g} s: {refusal}"
                    ) from refusal
                left_s -= _RETRY_S
                yield Pause(_RETRY_S)
    yield from await_deaths(pods, node, scene, _DEATH_S)


def await_deaths(pods: Sequence[PodView], node: str, scene: Scene, limit_s: float) -> Script:
    """Wait for the ends of evicted pods of a node, for each so long at most."""
    for pod in pods:
        if any(other.uid == pod.uid and other.running for other in scene.pods_on(node)):
            yield Until(exit_of(pod.uid), f"death of the evicted pod {pod.uid}", limit_s)
