"""The life of a survey: a cluster, each setting of Argo in it, its trials.

    cluster ─► for each version of Argo, finalizer off and on: install ─► single pods ─► machines

What is measured already is not measured again; the file is written after each trial,
so an interruption costs what was going on and nothing else.
"""

from __future__ import annotations

import contextlib
import dataclasses
import queue
from collections.abc import Generator, Mapping, Sequence

from chaosml import clock
from chaosml.cluster import docker
from chaosml.cluster.api import connect_kind
from chaosml.cluster.life import ClusterInfo, borrowed, up
from chaosml.cluster.options import ClusterOptions
from chaosml.cluster.program import Tell
from chaosml.cluster.survey import record
from chaosml.cluster.survey.book import Book, SurveyOptions
from chaosml.cluster.survey.cells import NODE_WAYS, shuffle
from chaosml.cluster.survey.machines import NodeBatch
from chaosml.cluster.survey.pool import Bench, Pool
from chaosml.cluster.survey.watch import Change, watching
from chaosml.errors import UsageError
from chaosml.workflow.survey import Cell, Survey, Trial

__all__ = ["survey"]

_FINALIZER = "ARGO_POD_STATUS_CAPTURE_FINALIZER"
_WORKER = "worker"
_WORKERS_MIN = 2
_TELL_EVERY_S = 15.0


def survey(options: SurveyOptions, tell: Tell) -> Survey:
    """Measure what is missing, and return everything.

    Args:
        options: What, and where.
        tell: Called with what is being done, one line each.

    Raises:
        UsageError: there is no such cell, the file to resume is none, or `out` is there already.
        SubstrateError: the cluster cannot be made, or fails; what was measured is in the file.
    """
    if options.resume is None and options.out is not None and options.out.exists():
        raise UsageError(f"{options.out}: is there already; go on with --resume {options.out}")
    earlier = None if options.resume is None else record.read(options.resume)
    book = Book(options, earlier)
    missing = book.missing()
    if not missing and earlier is not None:
        return earlier
    settings = _settings(list(missing))
    if settings:
        with borrowed(_cluster(options, *settings[0]), tell) as info:
            book.found(info.kubernetes)
            for setting in settings:
                _measure(book, options, setting, info, tell)
        book.save()
    return book.survey()


_Setting = tuple[str, bool]
"""A version of Argo, and whether its finalizer is on."""


def _settings(cells: Sequence[Cell]) -> list[_Setting]:
    return list(dict.fromkeys((cell.argo, cell.finalizer) for cell in cells))


def _cluster(options: SurveyOptions, version: str, finalizer: bool) -> ClusterOptions:
    return ClusterOptions(
        name=options.name,
        namespace=options.namespace,
        argo_version=version,
        argo_environment={_FINALIZER: "true"} if finalizer else None,
        keep=options.keep,
    )


def _measure(
    book: Book, options: SurveyOptions, setting: _Setting, info: ClusterInfo, tell: Tell
) -> None:
    """Make the missing trials under one setting of Argo."""
    # The image is named so that a change of the source meanwhile changes nothing here.
    up(dataclasses.replace(_cluster(options, *setting), image=info.image), tell)
    inbox: queue.SimpleQueue[Change] = queue.SimpleQueue()
    api = connect_kind(options.name)
    stem = f"death-{clock.utc_now():%m%d%H%M%S}"
    bench = Bench(api, options.namespace, inbox, stem)
    bench.clear()
    missing = {
        cell: count
        for cell, count in book.missing().items()
        if (cell.argo, cell.finalizer) == setting
    }
    progress = _Progress(setting, sum(missing.values()), tell)
    with watching(api, options.namespace, inbox):
        try:
            _strike_pods(book, options, bench, missing, progress)
            _strike_nodes(book, options, bench, missing, progress)
        finally:
            bench.clear()


def _strike_pods(
    book: Book, options: SurveyOptions, bench: Bench, missing: Mapping[Cell, int], tell: _Progress
) -> None:
    cells = [cell for cell in missing if cell.way not in NODE_WAYS]
    pool = Pool(bench, options.parallel, lambda cell, why: tell.missed(cell, why, book.miss(cell)))
    _keep(pool.run(shuffle(cells, missing, options.seed)), book, tell)


def _strike_nodes(
    book: Book, options: SurveyOptions, bench: Bench, missing: Mapping[Cell, int], tell: _Progress
) -> None:
    workers = [one.name for one in docker.cluster_containers(options.name) if one.role == _WORKER]
    for cell in [cell for cell in missing if cell.way in NODE_WAYS]:
        if len(workers) < _WORKERS_MIN:
            raise UsageError(
                f"cluster {options.name} has {len(workers)} workers, and a machine's death needs "
                f"{_WORKERS_MIN}: remove it, or leave these ways out with --only"
            )
        batch = NodeBatch(
            bench,
            cluster=options.name,
            workers=workers,
            missed=lambda cell, why: tell.missed(cell, why, book.miss(cell)),
        )
        while (count := book.missing().get(cell, 0)) > 0 and book.tries(cell):
            _keep(batch.run(cell, count), book, tell)


def _keep(ended: Generator[Trial, None, None], book: Book, tell: _Progress) -> None:
    """Put trials into the book as they end."""
    with contextlib.closing(ended) as trials:
        for trial in trials:
            book.add(trial)
            tell.made()


class _Progress:
    """Tells how far the trials of a setting are, now and then."""

    def __init__(self, setting: _Setting, total: int, tell: Tell) -> None:
        version, finalizer = setting
        self._where = f"Argo {version}, finalizer {'on' if finalizer else 'off'}"
        self._total, self._tell, self._made = total, tell, 0
        self._began_ns = clock.monotonic_ns()
        self._next = clock.Deadline("the next word", 0.0)
        tell(f"{self._where}: {total} trials")

    def made(self) -> None:
        """Count a trial."""
        self._made += 1
        if self._next.passed or self._made == self._total:
            self._next = clock.Deadline("the next word", _TELL_EVERY_S)
            took_s = (clock.monotonic_ns() - self._began_ns) / 1e9
            self._tell(f"{self._where}: {self._made} of {self._total} after {took_s:.0f} s")

    def missed(self, cell: Cell, why: str, again: bool) -> bool:
        """Tell of a strike that did not happen; return whether it is tried again."""
        self._tell(f"{cell}: not struck, {why}; {'again' if again else 'given up'}")
        return again
