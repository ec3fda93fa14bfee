"""The judgement of a journal: of the runs that it names, under the doubts about itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from chaosml import runner
from chaosml.experiment.journal import Doubt, Journal
from chaosml.experiment.running import sha256_of
from chaosml.reports.wording import printable
from chaosml.runner.options import RunResult
from chaosml.verdict import Status, worst

__all__ = ["Concluded", "json_of", "judge", "text_of"]


@dataclass(frozen=True, slots=True)
class Concluded:
    """What a journal comes to."""

    journal: Journal
    results: Sequence[RunResult]
    doubts: tuple[Doubt, ...]

    @property
    def interrupted(self) -> bool:
        """Whether a run was cut short; a journal that was is only in doubt."""
        return any(one.judgement.interrupted for one in self.results)

    @property
    def status(self) -> Status:
        """The worst of its runs; with any doubt nothing passes."""
        found = [one.judgement.status for one in self.results]
        return worst([*found, Status.UNKNOWN] if self.doubts else found)


def judge(journal: Journal) -> Concluded:
    """Judge again what a journal names.

    Raises:
        HistoryError: a run that it names is not there, or cannot be read.
        ShadowError: an execution showed what our reducer cannot reach; the reports are written.
    """
    results, doubts = [], list(journal.doubts)
    for named in journal.runs:
        result = runner.rejudge(named.directory)
        results.append(result)
        if sha256_of(result.directory) != named.scenario_sha256:
            message = f"{named.directory} holds another scenario than the one that was run"
            doubts.append(Doubt("another-run", message))
    return Concluded(journal, tuple(results), tuple(doubts))


def text_of(concluded: Concluded) -> str:
    """Return what people are told after the verdicts of the runs."""
    journal = concluded.journal
    lines = [f"{concluded.status.value}  journal {journal.path}: {printable(journal.title)}"]
    lines += [f"  {doubt.cause}: {printable(doubt.message)}" for doubt in concluded.doubts]
    return "\n".join(lines) + "\n"


def json_of(concluded: Concluded) -> str:
    """Return the same for programs, with every verdict in it."""
    document = {
        "schema": 1,
        "journal": str(concluded.journal.path),
        "experiment": concluded.journal.title,
        "status": concluded.status.value,
        "doubts": [{"cause": one.cause, "message": one.message} for one in concluded.doubts],
        "runs": [
            {"directory": str(one.directory), "verdict": one.judgement} for one in concluded.results
        ],
    }
    return msgspec.json.format(msgspec.json.encode(document)).decode() + "\n"
