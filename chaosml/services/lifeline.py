"""How a program of ours ends with the one that started it, and the marks it carries."""

from __future__ import annotations

import os
import signal

__all__ = ["AWAY_S", "LIFELINE_S", "OWNER_MARK", "RUN_MARK", "end_with_parent"]

AWAY_S = 60.0
"""How long a runner looks for services that it cannot reach."""
LIFELINE_S = 90.0
"""How long services in a pod serve without a word of their runner, which has given up by then."""

RUN_MARK = "CHAOSML_RUN"
"""Environment variable that says to which run a process belongs."""
OWNER_MARK = "CHAOSML_OWNER_PID"
"""Environment variable with the process id of the run's owner."""

_PR_SET_PDEATHSIG = 1


def end_with_parent(parent_pid: int, number: signal.Signals) -> bool:
    """Have the kernel send `number` when the thread that started this process ends.

    Returns:
        False where the parent `parent_pid` is gone already, and no signal will come.
    """
    # Imported here: only the processes need it, their owner needs just the marks.
    import ctypes

    # Without the call (not Linux) the end of the parent's socket is still noticed.
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    return os.getppid() == parent_pid
