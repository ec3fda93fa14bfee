"""`task.rerun`: a step that has succeeded is executed again; nobody is killed.

Mechanism: the program ends by itself with exit code 0 and everything that it did stays done, but
its pod object is gone before the orchestrator looks. It happens where a node is lost just after
its pod has ended, or where a garbage collector is faster than a controller that is behind
(argo-workflows issues 7994, 7466, 17024). Embedded: the driver shows the end as a pod that is gone.
A cluster: the pod is deleted as soon as it has succeeded; Argo looks up to 10 s later.
Permissions: delete pods.
Views: those that a program had in the survey which exited 0 and whose object went:
`gone` (a retry is consumed) and `restarted` (the same attempt gets a new pod).
Receipt: the program's exit code 0, an object that was gone before anybody looked, and the second
execution of the task, or the end of a workflow that does not try again. A program
that fails by itself is INVALID (`not-succeeded`). Heal: none needed.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from chaosml.faults.script import LoseSuccess, Release, Scene, Script
from chaosml.substrates.protocol import LosesSuccesses
from chaosml.workflow.views import View

__all__ = ["TaskRerun", "TaskRerunOptions"]


class TaskRerunOptions(BaseModel):
    """`task.rerun` has no options."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TaskRerun:
    """Lets the success of the target be missed."""

    kind = "task.rerun"
    options = TaskRerunOptions
    capabilities = (LosesSuccesses,)

    def views(self, options: TaskRerunOptions, *, has_outputs: bool) -> Sequence[View | None]:
        """Return what the orchestrator can see of a pod whose success it missed."""
        return (View.GONE, View.RESTARTED)

    def lethal(self, options: TaskRerunOptions) -> bool:
        """Nobody is killed."""
        return False

    def script(self, options: TaskRerunOptions, view: str | None, scene: Scene) -> Script:
        """Arrange it; whoever is held goes on to its own end."""
        yield LoseSuccess(scene.target.uid, view or View.GONE)
        yield Release()
