"""What follows from one timeline, each thing computed once and when it is asked for."""

from __future__ import annotations

from functools import cached_property

from chaosml.artifacts.contract import Contract, Kind
from chaosml.timeline.lineage import Lineage, find_lineage
from chaosml.timeline.model import Timeline
from chaosml.timeline.recovery import Outage, find_outages
from chaosml.timeline.steplines import Gauge
from chaosml.timeline.storage import Storage, Version
from chaosml.timeline.usage import Usage, measure_usage

__all__ = ["Analysis"]


class Analysis:
    """A timeline with its derived parts; pure, and lazy because not every checker needs all."""

    def __init__(
        self,
        timeline: Timeline,
        contract: Contract,
        final_step: int | None,
        gauge: Gauge | None = None,
    ) -> None:
        """Take a timeline, and what the whole run says.

        Args:
            timeline: The execution.
            contract: The artifact contract.
            final_step: The step at which training is done.
            gauge: How the controls' own lines name the steps.
        """
        self.timeline = timeline
        self.contract = contract
        self.final_step = final_step
        self.gauge = gauge
        self._final: dict[str, list[Version]] = {}

    @property
    def name(self) -> str:
        """`control/1`, `trial/3`."""
        return self.timeline.execution

    @cached_property
    def storage(self) -> Storage:
        """The bucket, as requests and audit show it."""
        return Storage(self.timeline, self.contract)

    @cached_property
    def lineage(self) -> Lineage:
        """The surviving lineage of the training task."""
        return find_lineage(self.timeline, self.storage, self._writer())

    @cached_property
    def outages(self) -> list[Outage]:
        """What injections interrupted."""
        return find_outages(self.timeline, self.final_step, self.gauge)

    @cached_property
    def usage(self) -> Usage | None:
        """What the compute went into."""
        return measure_usage(self.timeline, self.lineage)

    def final_objects(self, role: str) -> list[Version]:
        """Return the current, committed objects of a role that hold the final state.

        Where keys or contents name no step, what is current at the end is the final state.
        """
        if role not in self._final:
            self._final[role] = self._find_final(role)
        return self._final[role]

    def _find_final(self, role: str) -> list[Version]:
        found: list[Version] = []
        for artifact in self.contract.artifacts:
            if artifact.role != role:
                continue
            kind = Kind.PART if artifact.parts else Kind.OBJECT
            objects = [
                version
                for version in self.storage.of(artifact, kind)
                if version.fact.current and self.storage.is_committed(version)
            ]
            if artifact.parts or artifact.is_canonical:
                found += objects
                continue
            step = artifact.final_step if artifact.final_step is not None else self.final_step
            found += [
                version
                for version in objects
                if step is None or self.storage.step_of(version) in (step, None)
            ]
        return found

    def _writer(self) -> str | None:
        """Return the pod that wrote the final checkpoint, where all of it has one writer."""
        training = {pod.uid for pod in self.timeline.pods_of(self.timeline.training_task)}
        writers = {version.writer for version in self.final_objects("checkpoint")} & training
        return writers.pop() if len(writers) == 1 else None
