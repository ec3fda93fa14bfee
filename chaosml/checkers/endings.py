"""How the training task ended: at its last step, or earlier and taken for done."""

from __future__ import annotations

from chaosml.timeline.analysis import Analysis
from chaosml.timeline.moment import Moment
from chaosml.timeline.sources import ARGO

__all__ = ["EXIT_ADVICE", "ended_early", "false_success"]

EXIT_ADVICE = "exit non-zero (143) after a signal: exit 0 says that the work is complete"


def ended_early(execution: Analysis) -> Moment | None:
    """Return when training was taken for done before its last step; None where it was not.

    Where logs or phases may be missing, there may have been more steps: then None.
    """
    timeline, lineage = execution.timeline, execution.lineage
    wanted = execution.final_step
    if wanted is None or not lineage.parts or lineage.last_step >= wanted:
        return None
    if timeline.doubt(ARGO) or timeline.doubt_of_logs(timeline.pods_of(timeline.training_task)):
        return None
    last = None
    for seen in timeline.tasks:
        if seen.fact.task == timeline.training_task and seen.fact.attempt is not None:
            last = seen
    return last.at if last is not None and last.fact.phase == "Succeeded" else None


def false_success(execution: Analysis) -> str | None:
    """Return in words that the training passed for done; None where it did not."""
    if ended_early(execution) is None:
        return None
    part = execution.lineage.parts[-1]
    exited = part.pod.exited
    code = "" if exited is None else f": pod {part.pod.uid} exited {exited.fact.exit_code}"
    signal = " on a signal" if part.pod.strikes else ""
    return (
        f"{execution.timeline.training_task} passed for done at step {part.stop} of "
        f"{execution.final_step}{code}{signal}"
    )
