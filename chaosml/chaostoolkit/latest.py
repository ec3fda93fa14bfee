"""The run that an action of this very process has made, for the probes after it.

Not the latest in a folder: where the action failed that would be an earlier run, whose
verdict would stand for one that never was.
"""

from __future__ import annotations

from chaoslib.exceptions import ActivityFailed

__all__ = ["find", "forget", "remember"]

_runs: list[str] = []


def remember(run: str) -> None:
    """Keep the directory of a run that has just ended."""
    _runs[:] = [run]


def forget() -> None:
    """Let no earlier run stand for one that begins."""
    _runs.clear()


def find(run: str) -> str:
    """Return a run directory: the one that is named, or else the one that was kept.

    Raises:
        ActivityFailed: none is named, and no run has come to an end here.
    """
    if run:
        return run
    if not _runs:
        raise ActivityFailed(
            "no run of a scenario has come to its end in this experiment; name one by `run`, or "
            "see why the action run_scenario failed"
        )
    return _runs[-1]
