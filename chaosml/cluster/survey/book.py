"""The book of a survey: which trials are made, which are missing, and the file of them."""

from __future__ import annotations

import importlib.metadata
import os
import pathlib
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chaosml import clock
from chaosml.cluster.options import NAMESPACE
from chaosml.cluster.survey import record
from chaosml.cluster.survey.cells import enumerate_cells, select
from chaosml.errors import UsageError
from chaosml.workflow.survey import Cell, Survey, Trial

__all__ = ["ARGO_VERSIONS", "CLUSTER_NAME", "Book", "SurveyOptions"]

CLUSTER_NAME = "chaosml-survey"
ARGO_VERSIONS = ("v3.7.18", "v4.0.5")


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyOptions:
    """What is to be measured, and where."""

    name: str = CLUSTER_NAME
    namespace: str = NAMESPACE
    argo_versions: Sequence[str] = ARGO_VERSIONS
    trials: int = 10
    """Of each cell; 0 measures nothing and shows what there is."""
    parallel: int = 8
    only: Mapping[str, frozenset[str]] = field(default_factory=dict)
    seed: int = 1
    out: pathlib.Path | None = None
    """Where it is kept; default: the file that is resumed, if any."""
    resume: pathlib.Path | None = None
    keep: bool = False
    """Whether a cluster that was made for it stays."""


class Book:
    """The trials that were made, those that are missing, and the file of them."""

    def __init__(self, options: SurveyOptions, earlier: Survey | None) -> None:
        everything = enumerate_cells(options.argo_versions)
        self.cells = select(everything, options.only)
        self._options = options
        self._path = options.out or options.resume
        self._earlier = earlier
        self._trials = [] if earlier is None else list(earlier.trials)
        self._old = () if earlier is None else tuple(one.cell for one in earlier.cells)
        past = () if earlier is None else earlier.cells
        self._missed = Counter({str(one.cell): one.missed for one in past})
        self._missed_now: Counter[str] = Counter()
        self._kubernetes = "" if earlier is None else earlier.kubernetes
        self._began = clock.utc_now().isoformat(timespec="seconds")

    def missing(self) -> dict[Cell, int]:
        """Return how many trials each cell lacks."""
        made = Counter(trial.cell for trial in self._trials)
        return {
            cell: lack
            for cell in self.cells
            if (lack := self._options.trials - made[str(cell)]) > 0
        }

    def found(self, kubernetes: str) -> None:
        """Note the cluster's version.

        Raises:
            UsageError: what is resumed was measured on another one.
        """
        if self._kubernetes not in ("", kubernetes):
            raise UsageError(
                f"{self._options.resume}: was measured on Kubernetes {self._kubernetes}, and the "
                f"cluster has {kubernetes}: begin anew without --resume"
            )
        self._kubernetes = kubernetes

    def add(self, trial: Trial) -> None:
        """Take a trial."""
        self._trials.append(trial)
        self.save()

    def miss(self, cell: Cell) -> bool:
        """Count a strike that did not happen; return whether to try once more."""
        self._missed[str(cell)] += 1
        self._missed_now[str(cell)] += 1
        return self.tries(cell)

    def tries(self, cell: Cell) -> bool:
        """Return whether few enough strikes have failed to try on."""
        return self._missed_now[str(cell)] <= self._options.trials

    def save(self) -> None:
        """Write the file, if there is to be one."""
        if self._path is not None:
            record.write(self._path, self.survey())

    def survey(self) -> Survey:
        """Return everything so far."""
        known = {str(cell): cell for cell in (*self._old, *self.cells)}
        ordered = [
            cell
            for cell in enumerate_cells(sorted({cell.argo for cell in known.values()}))
            if str(cell) in known
        ]
        earlier = self._earlier
        return Survey(
            chaosml=importlib.metadata.version("chaosml"),
            kubernetes=self._kubernetes,
            kernel=platform.release(),
            cpus=os.cpu_count() or 1,
            began=self._began if earlier is None else earlier.began,
            ended=clock.utc_now().isoformat(timespec="seconds"),
            seed=self._options.seed,
            parallel=self._options.parallel,
            cells=record.summarise(ordered, self._trials, self._missed),
            trials=tuple(self._trials),
        )
