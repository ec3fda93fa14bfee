"""Argo's controller as the driver uses it: the pure reducer behind two methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from chaosml import clock
from chaosml.substrates.protocol import Submission
from chaosml.workflow import load, reducer
from chaosml.workflow.protocol import Change, Command, Observation

__all__ = ["ArgoController", "Controller", "Decision"]


class Decision(Protocol):
    """What follows from an observation; `reducer.Reduction` is one."""

    @property
    def state(self) -> Any:
        """The new state."""

    @property
    def commands(self) -> Sequence[Command]:
        """What the driver has to do, in order."""

    @property
    def changes(self) -> Sequence[Change]:
        """What changed in the workflow's status, in order."""


class Controller(Protocol):
    """Decides what happens in a workflow. It keeps nothing: the state travels."""

    def start(self, submission: Submission) -> Decision:
        """Read the workflow and decide what comes first.

        Raises:
            ScenarioError: the workflow is wrong or uses what is not supported.
        """

    def reduce(self, state: Any, observation: Observation) -> Decision:
        """Decide what follows from an observation."""


class ArgoController:
    """The reducer that behaves as Argo does."""

    def start(self, submission: Submission) -> Decision:
        """Read the workflow and decide what comes first.

        Raises:
            ScenarioError: the workflow is wrong or uses what is not supported.
        """
        loaded = load.load(submission.workflow_file, submission.parameters)
        return reducer.start(
            loaded.model,
            name=submission.name,
            uid=submission.name,
            parameters=submission.parameters,
            at_ns=clock.monotonic_ns(),
            created_at=clock.utc_now(),
        )

    def reduce(self, state: Any, observation: Observation) -> Decision:
        """Decide what follows from an observation."""
        return reducer.reduce(state, observation)
