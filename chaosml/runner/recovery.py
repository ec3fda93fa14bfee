"""What a run that died left behind, and its removal: only our own marks, never a live run's."""

from __future__ import annotations

import pathlib
import shutil
from collections.abc import Callable

from chaosml.store.directory import RunDirectory, unfinished
from chaosml.substrates.embedded import leftovers

__all__ = ["recover"]


def recover(reports: pathlib.Path, notice: Callable[[str], None]) -> int:
    """Heal what dead runs below `reports` left; return the number of things healed.

    Kills processes that carry the mark of a dead run and removes its temporary folder. The
    run directory stays: what was recorded can still be judged.
    """
    healed = 0
    for directory in unfinished(reports):
        healed += _recover_one(directory, notice)
    return healed


def _recover_one(directory: RunDirectory, notice: Callable[[str], None]) -> int:
    owner = directory.owner
    if owner is None:
        return 0
    killed = leftovers.reap(owner.run)
    healed = len(killed)
    if killed:
        notice(f"{directory.path}: ended {len(killed)} processes of a run that had died")
    workspace = pathlib.Path(owner.workspace)
    if workspace.name.startswith("chaosml-") and workspace.is_dir():
        shutil.rmtree(workspace, ignore_errors=True)
        notice(f"{directory.path}: removed its temporary folder {workspace}")
        healed += 1
    directory.disown()
    return healed
