"""A runner that does nothing and is told what to return: the command line alone is tested."""

import pathlib
import sys
from dataclasses import dataclass, field

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "unit" / "reports"))

import judgements

from chaosml.runner import RunOptions, RunResult

RUN = pathlib.Path("reports/spot/20261124T221500Z")


@dataclass
class ScriptedRunner:
    """Answers with the next result or error of `script`, the last one again and again."""

    script: list = field(default_factory=lambda: [judgements.passed()])
    calls: list = field(default_factory=list)
    progress: object = None

    def answer(self, *call):
        self.calls.append(call)
        made = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(made, BaseException):
            raise made
        return RunResult(made, RUN)

    def run(self, path, options, progress):
        self.progress = progress
        progress.notice("a notice")
        return self.answer(path, options)

    def rejudge(self, directory):
        return self.answer(directory)

    @property
    def options(self) -> RunOptions:
        return self.calls[-1][1]


@pytest.fixture
def runner(monkeypatch, tmp_path):
    scripted = ScriptedRunner()
    monkeypatch.setattr("chaosml.runner.run", scripted.run)
    monkeypatch.setattr("chaosml.runner.rejudge", scripted.rejudge)
    monkeypatch.delenv("CHAOSML_DEBUG", raising=False)
    # Where tracebacks of internal errors are kept.
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return scripted
