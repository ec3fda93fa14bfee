"""The reports that every run leaves in its directory."""

from __future__ import annotations

from chaosml.reports import junit, summary_md, verdict_json
from chaosml.store.directory import RunDirectory
from chaosml.verdict import Judgement

__all__ = ["write_all"]


def write_all(directory: RunDirectory, judgement: Judgement) -> None:
    """Write `verdict.json`, `junit.xml` and `summary.md`, each whole or not at all.

    Raises:
        HistoryError: the file system refuses.
    """
    directory.write("verdict.json", verdict_json.render(judgement))
    directory.write("junit.xml", junit.render(judgement))
    directory.write("summary.md", summary_md.render(judgement))
