"""The graceful shutdown of a node, as its kubelet does it.

The kubelet holds the shutdown of the machine up, takes no new pods, and ends those that are
there: ordinary ones first, in the time that the critical ones leave them, never longer than a
pod's own grace period. Their objects stay, Failed whatever the exit code was, with a message.
Source: kubernetes pkg/kubelet/nodeshutdown.
"""

from __future__ import annotations

from chaosml.faults.draining import await_deaths
from chaosml.faults.script import Cordon, Scene, Script, Terminate
from chaosml.workflow.views import View

__all__ = ["MESSAGE", "SHUTDOWN_VIEWS", "shut_down"]

MESSAGE = "Pod was terminated in response to imminent node shutdown."
SHUTDOWN_VIEWS = (View.GONE, View.SEEN)
"""`seen`: the kubelet's words; `gone`: the machine went before they were read, or with its Node
object. Both happen on GKE (argo-workflows issue 9880)."""
_LATE_S = 60.0
"""A real kubelet has to start anew first."""


def shut_down(node: str, view: str, grace_s: float, scene: Scene) -> Script:
    """Let the kubelet end every pod of a node, and wait until they are dead.

    Args:
        node: Its name.
        view: What the controller shall get to see of the deaths, where that can be chosen.
        grace_s: What ordinary pods get.
        scene: The moment.
    """
    yield Cordon(node)
    pods = scene.pods_on(node)
    for pod in pods:
        yield Terminate(pod.uid, "node-shutdown", view, MESSAGE, grace_s)
    yield from await_deaths(pods, node, scene, grace_s + _LATE_S)
