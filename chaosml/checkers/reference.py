"""What undisturbed executions reach: the state and the ledger that a trial is compared with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from chaosml.checkers.ledger import first_difference
from chaosml.timeline.analysis import Analysis
from chaosml.timeline.lineage import Part

__all__ = ["COMPONENTS", "CONTROLS_NEEDED", "Reference", "doubt_of", "state_of"]

CONTROLS_NEEDED = 3
COMPONENTS = ("model", "optimizer", "scheduler", "rng", "sampler")


def state_of(analysis: Analysis) -> dict[str, str]:
    """Return the observed final state: a digest for each component of checkpoint and model.

    Documents are left out: they hold times and names, which differ between executions.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for role in ("checkpoint", "model"):
        for version in analysis.final_objects(role):
            fact = version.fact
            where = version.key if version.what.artifact and version.what.artifact.parts else role
            for component, digest in fact.digests.items():
                found[f"{where}/{component}"].add(digest)
            if not fact.digests and fact.digest is not None:
                found[where].add(fact.digest)
            elif not fact.digests and version.what.format != "json" and fact.sha256:
                found[where].add(fact.sha256)
    return {name: "|".join(sorted(digests)) for name, digests in sorted(found.items())}


def doubt_of(analysis: Analysis) -> str:
    """Return why the final state and the ledger of an execution are not known for certain."""
    timeline = analysis.timeline
    training = timeline.pods_of(timeline.training_task)
    return timeline.doubt_of_store() or timeline.doubt_of_logs(training)


class Reference:
    """The controls of a run as one."""

    def __init__(self, controls: Sequence[Analysis]) -> None:
        """Compare the controls with one another."""
        self.controls = tuple(controls)
        self.states = [state_of(control) for control in controls]
        self.doubt = next((doubt for doubt in map(doubt_of, controls) if doubt), "")

    @property
    def count(self) -> int:
        """How many controls there are."""
        return len(self.controls)

    @property
    def suffices(self) -> bool:
        """Whether there are enough to call a difference a defect."""
        return self.count >= CONTROLS_NEEDED

    @property
    def agrees(self) -> bool:
        """Whether all controls reached the same state."""
        return bool(self.states) and all(state == self.states[0] for state in self.states)

    @property
    def state(self) -> dict[str, str]:
        """The state that the controls reached; only sensible where they agree."""
        return self.states[0] if self.states else {}

    @property
    def part(self) -> Part | None:
        """The first control's steps, where one process did all of them."""
        if not self.controls:
            return None
        lineage = self.controls[0].lineage
        return lineage.parts[0] if lineage.gap is None and len(lineage.parts) == 1 else None

    @property
    def agrees_on_batches(self) -> bool:
        """Whether all controls took the same batches in the same steps."""
        part = self.part
        if part is None:
            return False
        differences = [
            first_difference(control.lineage.parts, part) for control in self.controls[1:]
        ]
        return all(one is None or one.what != "batch" for one in differences)

    def differing_fingerprint(self, trial: Analysis) -> list[str]:
        """Return what floating-point results depend on and differs from a control's."""
        header = trial.timeline.header
        if header is None:
            return ["everything: the trial's header was lost"]
        differing: set[str] = set()
        for control in self.controls:
            other = control.timeline.header
            if other is None:
                return ["everything: a control's header was lost"]
            ours, theirs = header.fact.fingerprint, other.fact.fingerprint
            differing |= {name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name)}
            if _images(trial) != _images(control):
                differing.add("image")
            executors = _executors(trial), _executors(control)
            if all(executors) and executors[0] != executors[1]:
                differing.add("executor image")
        return sorted(differing)

    def missing_components(self) -> list[str]:
        """Return the components of a training state that no checkpoint of the controls holds."""
        held = {
            component
            for control in self.controls
            for version in control.final_objects("checkpoint")
            for component in version.fact.digests
        }
        return [component for component in COMPONENTS if component not in held] if held else []


def _images(execution: Analysis) -> set[str]:
    """Return the digests of the images that the training ran in; none where none was seen."""
    pods = execution.timeline.pods_of(execution.timeline.training_task)
    return {pod.image_id for pod in pods if pod.image_id}


def _executors(execution: Analysis) -> set[str]:
    """Return the digests of Argo's executor beside the training, as far as they were seen."""
    pods = execution.timeline.pods_of(execution.timeline.training_task)
    return {pod.images["wait"] for pod in pods if "wait" in pod.images}
