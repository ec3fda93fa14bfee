"""What a run that died left behind, and its removal: only our own marks, never a live run's."""

from __future__ import annotations

import pathlib
import shutil
from collections.abc import Callable

from chaosml.errors import ChaosmlError, HarnessError
from chaosml.runner.undoing import undo_left
from chaosml.store.directory import OWNER, RunDirectory, unfinished
from chaosml.store.owner import Owner, Place
from chaosml.substrates.embedded import leftovers

__all__ = ["recover", "recover_cluster"]


def recover(reports: pathlib.Path, notice: Callable[[str], None], *, clusters: bool = False) -> int:
    """Heal what dead runs below `reports` left; return the number of things healed.

    Kills processes that carry the mark of a dead run, removes its temporary folder, and takes
    back what programs of the user's have done. The run directory stays: what was recorded can
    still be judged.

    Args:
        reports: Where runs are recorded.
        notice: Called with what was healed, one line each.
        clusters: Whether clusters are called too; else what is there waits for the next run
            there, for its janitor, or for another recovery.

    Raises:
        HarnessError: a cluster could not be healed, or a program did not do it; the rest was.
    """
    healed = 0
    problems = []
    for directory in unfinished(reports):
        owner = directory.owner
        if owner is None:
            continue
        healed += _recover_here(directory, owner, notice)
        failed: list[str] = []
        healed += undo_left(directory, notice, failed)
        problems += failed
        if owner.place is not None:
            if not clusters:
                continue
            try:
                healed += recover_cluster(owner.place, notice, run=owner.run)
            except ChaosmlError as error:
                problems.append(
                    f"{directory.path}: its run died in {owner.place}: {error} (if that cluster "
                    f"is gone for good, remove {directory.path / OWNER})"
                )
                continue
        if not failed:
            directory.disown()
    if problems:
        raise HarnessError("\n".join(problems))
    return healed


def recover_cluster(place: Place, notice: Callable[[str], None], *, run: str | None = None) -> int:
    """Heal what a dead run left in a namespace of a cluster; return the number of things healed.

    Args:
        place: Where.
        notice: Called with what was healed, one line each.
        run: The mark of the dead run, where it is known: if a living one uses the namespace
            since, that has healed everything before it began.

    Raises:
        UsageError: there is no such context.
        SubstrateError: a living run uses the namespace, or something could not be healed.
    """
    # Imported here: the client of Kubernetes is an extra.
    from chaosml.runner.cluster_recovery import recover_place

    done: list[str] = []

    def note(what: str) -> None:
        done.append(what)
        notice(f"{place}: {what}")

    recover_place(place, note, run=run)
    return len(done)


def _recover_here(directory: RunDirectory, owner: Owner, notice: Callable[[str], None]) -> int:
    killed = leftovers.reap(owner.run)
    healed = len(killed)
    if killed:
        notice(f"{directory.path}: ended {len(killed)} processes of a run that had died")
    workspace = pathlib.Path(owner.workspace)
    if workspace.name.startswith("chaosml-") and workspace.is_dir():
        shutil.rmtree(workspace, ignore_errors=True)
        notice(f"{directory.path}: removed its temporary folder {workspace}")
        healed += 1
    return healed
