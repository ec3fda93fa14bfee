"""A scenario as a test file, and each of its expectations as a test item.

FAIL is a failure. What is not proved (UNKNOWN, INVALID, a run that broke) is raised while the
item is set up, which pytest reports as an error; nothing is ever skipped.
"""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Iterable, Iterator

import pytest

from chaosml import document, runner
from chaosml.errors import ChaosmlError
from chaosml.plan.model import Plan
from chaosml.pytest_plugin import exchange
from chaosml.pytest_plugin.exchange import Record
from chaosml.pytest_plugin.running import options_of, run
from chaosml.reports import verdict_json
from chaosml.reports.explanation import WHOLE, explain, standing
from chaosml.reports.wording import printable, printable_lines
from chaosml.runner.conclude import replay_command
from chaosml.scenario.model import Scenario
from chaosml.verdict import Judgement

__all__ = ["Expectation", "ScenarioFile", "is_meant_as_scenario"]

_MARKS = re.compile(
    rb"""^(?:\xef\xbb\xbf)?["']?kind["']?\s*:\s*["']?Scenario\b"""
    rb"""|apiVersion["']?\s*:\s*["']?chaosml\.dev/""",
    re.MULTILINE,
)
_EFFECT = "effect"
_SETTLING_S = 300.0
"""Start and end of services and substrate, beyond the executions' own deadlines."""


def is_meant_as_scenario(path: pathlib.Path) -> bool:
    """Whether a YAML file says that it is a scenario, however broken it is.

    A file that cannot be read counts: that it is left out must be seen.
    """
    try:
        return _MARKS.search(path.read_bytes()) is not None
    except OSError:
        return True


class ScenarioFile(pytest.File):
    """A scenario; its run is made by the first expectation that is set up."""

    executions = 0
    """Controls and trials that are planned: what it costs, beside other scenarios."""
    _judged: tuple[Judgement, pathlib.Path] | None = None
    _limit_s = 0.0
    _replay = ""

    def collect(self) -> Iterator[pytest.Item]:
        """Load and plan the scenario; yield an item for every expectation."""
        try:
            options = options_of(self.config)
            shown = pathlib.Path(document.display_path(self.path))
            loaded, planned = runner.plan(shown, options)
            lines = _lines(shown)
        except ChaosmlError as error:
            problems = printable_lines(str(error))
            exchange.of(self.config).refuse(self.nodeid, problems)
            raise self.CollectError(problems) from error
        self.executions = planned.controls + len(planned.trials)
        self._replay = replay_command(loaded, options)
        self._limit_s = _limit_s(loaded.scenario, planned)
        if options.place is not None:
            self._limit_s += exchange.TURN_S
        for name in _expectations(loaded.scenario):
            item: Expectation = Expectation.from_parent(self, name=name)
            item.line = lines.get(name, 1)
            yield item

    def judged(self) -> tuple[Judgement, pathlib.Path]:
        """Return the judgement and the directory of the run, which is made on the first call.

        Raises:
            KeyboardInterrupt: the run was interrupted; every fault is healed.
            pytest.fail.Exception: the run broke, in this process or another.
        """
        if self._judged is None:
            try:
                shared = exchange.of(self.config)
                record = shared.once(self.nodeid, self._limit_s, self._run)
                if record.directory is None:
                    pytest.fail(printable_lines(record.error or ""), pytrace=False)
                directory = pathlib.Path(record.directory)
                self._judged = verdict_json.read(directory), directory
            except ChaosmlError as error:
                pytest.fail(printable_lines(str(error)), pytrace=False)
        return self._judged

    def _run(self) -> Record:
        try:
            result = run(self.config, self.path, options_of(self.config))
        except ChaosmlError as error:
            notes = [f"also: {note}" for note in getattr(error, "__notes__", ())]
            message = "\n".join([str(error), *notes, f"  replay    {self._replay}"])
            return Record(scenario=self.nodeid, error=message)
        return Record(scenario=self.nodeid, directory=str(result.directory))


class Expectation(pytest.Item):
    """One expectation of a scenario."""

    line = 1
    """Where the file states it."""

    def __init__(self, **given: object) -> None:
        super().__init__(**given)  # type: ignore[arg-type] # as pytest hands them over
        self.add_marker("chaosml")
        plugins = self.config.pluginmanager
        if plugins.has_plugin("xdist"):
            self.add_marker(pytest.mark.xdist_group(name=str(self.path)))
        if plugins.has_plugin("timeout"):
            # Executions have deadlines of their own, after which faults are healed.
            self.add_marker(pytest.mark.timeout(0))

    def setup(self) -> None:
        """Have the scenario run, if it has not yet; refuse what proves nothing."""
        judgement, directory = self._file.judged()
        found = standing(judgement, self.name)
        self.user_properties += [
            ("chaosml-status", found),
            ("chaosml-run", document.display_path(directory)),
            ("chaosml-replay", printable(judgement.replay)),
        ]
        if found not in ("PASS", "FAIL"):
            pytest.fail(self._text(), pytrace=False)

    def runtest(self) -> None:
        """Fail where the expectation is known not to hold."""
        judgement, _ = self._file.judged()
        if standing(judgement, self.name) == "FAIL":
            pytest.fail(self._text(), pytrace=False)

    def reportinfo(self) -> tuple[os.PathLike[str], int, str]:
        """Return where the expectation is stated, and the headline of its failure.

        The headline is no end of the node id: pytest would take its dots for separators.
        """
        return self.path, self.line - 1, f"{self.path.name}: {self.name}"

    @property
    def _file(self) -> ScenarioFile:
        assert isinstance(self.parent, ScenarioFile)
        return self.parent

    def _text(self) -> str:
        judgement, directory = self._file.judged()
        stated = f"  stated    {document.display_path(self.path)}:{self.line}"
        return f"{explain(judgement, self.name, directory)}\n{stated}"


def _expectations(scenario: Scenario) -> Iterable[str]:
    """Return the keys under `expect:` that are judged, by their order in the model."""
    stated = scenario.expect.model_dump(by_alias=True)
    names = [name for name, value in stated.items() if value not in (None, "off")]
    return [*names, _EFFECT, WHOLE]


def _lines(path: pathlib.Path) -> dict[str, int]:
    """Return the line of each expectation that the file states itself."""
    read = document.read(path)
    stated = read.get(("expect",))
    names = stated if isinstance(stated, dict) else {}
    return {name: read.problem(("expect", name), "", key=True).line for name in names}


def _limit_s(scenario: Scenario, plan: Plan) -> float:
    """Return how long a run can take at most, for who waits for it."""
    executions = plan.controls_max + len(plan.trials)
    return executions * (scenario.deadline + _SETTLING_S) + _SETTLING_S
