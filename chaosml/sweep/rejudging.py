"""A sweep judged again, from its recording and the histories of its states and kills.

What it was asked for stands in `sweep.json`; what it found is found anew. The same versions
of chaosml say the same.
"""

from __future__ import annotations

import pathlib
import shlex
from collections.abc import Sequence

import msgspec

from chaosml import history
from chaosml.errors import HistoryError
from chaosml.runner import conclude as run_conclusion
from chaosml.scenario.load import LoadedScenario
from chaosml.store.directory import RunDirectory
from chaosml.sweep import documents
from chaosml.sweep.comparison import Comparison
from chaosml.sweep.conclusion import NOT_CHOSEN, Circumstances, conclude
from chaosml.sweep.journal import Journal
from chaosml.sweep.judging import Judge
from chaosml.sweep.kills import NOT_EXECUTED
from chaosml.sweep.margins import measure
from chaosml.sweep.options import SweepResult
from chaosml.sweep.recording import Recording
from chaosml.sweep.result import KillResult, StateResult, SweepReport, name_of
from chaosml.timeline.collect import build
from chaosml.timeline.model import Timeline

__all__ = ["rejudge"]

_REPORT = "sweep.json"


def rejudge(path: pathlib.Path) -> SweepResult:
    """Judge a sweep again and write its reports anew.

    Raises:
        HistoryError: it was cut short before its report, or what it holds cannot be read.
    """
    directory = RunDirectory.open(path)
    return _Rejudging(directory, _asked(directory)).conclude()


def _asked(directory: RunDirectory) -> SweepReport:
    path = directory.path / _REPORT
    try:
        return msgspec.json.decode(path.read_bytes(), type=SweepReport)
    except FileNotFoundError:
        raise HistoryError(
            f"{directory.path}: the sweep was cut short before it wrote {_REPORT}, which says what "
            "was asked for: go on with `chaosml sweep SCENARIO --resume`"
        ) from None
    except (OSError, msgspec.MsgspecError) as error:
        raise HistoryError(f"{path}: is not what this version writes: {error}") from error


class _Rejudging:
    """One sweep that is judged again."""

    def __init__(self, directory: RunDirectory, asked: SweepReport) -> None:
        self._directory = directory
        self._asked = asked
        self._loaded: LoadedScenario = run_conclusion.reload(directory)
        self._recording = Recording(directory, self._loaded.scenario)
        self._controls = [self._timeline(one) for one in directory.histories("control")]
        policies = dict(self._loaded.workflow.retry_policies())
        self._judge = Judge(self._recording, self._controls, policies)

    def conclude(self) -> SweepResult:
        """Judge, write the reports and return them."""
        results = [self._state(one) for one in self._asked.results]
        report = conclude(
            self._recording,
            self._judge.controls(),
            results,
            self._kills(results),
            measure(
                self._recording.scenario,
                self._recording.contract,
                self._controls,
                interruptions=sum(one.interruptions for one in results),
                errors=sum(one.errors for one in results),
            ),
            self._circumstances(),
        )
        documents.write_all(self._directory, report)
        return SweepResult(report, self._directory.path)

    def _timeline(self, path: pathlib.Path) -> Timeline:
        return build(history.read(path), self._loaded.scenario)

    def _state(self, before: StateResult) -> StateResult:
        """Return what became of a state; one that was not executed left nothing to judge."""
        if before.problem:
            return before
        name = name_of(before.state, before.view)
        path = self._directory.path / "states" / name / "history.jsonl"
        timeline = self._timeline(path)
        return self._judge.result(before.state, before.view, timeline, wall_s=before.wall_s)

    def _kills(self, results: Sequence[StateResult]) -> list[KillResult]:
        # All of them, also of states that were tested before an interruption and are not asked for.
        tested = Journal(self._directory.path / "states.jsonl", StateResult).read()
        anew = {(one.state, one.view): one for one in results}
        comparison = Comparison(
            self._recording,
            self._judge,
            [anew.get((one.state, one.view), one) for one in tested],
        )
        return [self._kill(one, comparison) for one in self._asked.kills]

    def _kill(self, before: KillResult, comparison: Comparison) -> KillResult:
        if before.message.startswith(NOT_EXECUTED):
            return before
        path = self._directory.path / "kills" / str(before.point) / "history.jsonl"
        point = self._recording.crashes.point(before.point)
        return comparison.compare(point, list(history.read(path)))

    def _circumstances(self) -> Circumstances:
        asked = self._asked
        unchosen = {name for name, why in asked.tested.unreached.items() if why == NOT_CHOSEN}
        return Circumstances(
            run=asked.run,
            pipeline=asked.pipeline,
            views=asked.views,
            chosen=frozenset(
                point.number
                for point in self._recording.crashes.points
                if f"{point.number} {point.name}" not in unchosen
            ),
            interrupted=asked.interrupted,
            wall_s=asked.wall_s,
            workers=asked.workers,
            versions=asked.versions,
            command=tuple(shlex.split(asked.replay)),
        )
