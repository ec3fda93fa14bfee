"""The `chaosml` fixture: runs that tests in Python ask for."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping
from typing import Any

import pytest

from chaosml.errors import ChaosmlError
from chaosml.pytest_plugin import exchange
from chaosml.pytest_plugin.exchange import Record
from chaosml.pytest_plugin.result import ScenarioResult
from chaosml.pytest_plugin.running import options_of, run

__all__ = ["Calls"]


class Calls:
    """Runs scenarios for tests; every call is a run of its own.

    Fixtures of any scope may use it, so that several tests assert on one run.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._made: list[tuple[str, ScenarioResult]] = []

    def run(
        self,
        scenario: str | os.PathLike[str],
        *,
        pipeline: str | os.PathLike[str] | None = None,
        trials: int | None = None,
        seed: int | None = None,
        on: str | None = None,
        set_values: Mapping[str, str] | None = None,
        reports: str | os.PathLike[str] | None = None,
    ) -> ScenarioResult:
        """Run a scenario and return what it showed; what is None is as the command line says.

        Args:
            scenario: The file; where relative, from pytest's root directory.
            pipeline: Another Workflow document for the same scenario, found likewise.
            trials: Disturbed executions.
            seed: Decides places and cases.
            on: `embedded`, `kind` or `cluster`.
            set_values: YAML values by dotted path, such as `{"deadline": "5m"}`.
            reports: Where the run is recorded.

        Raises:
            ScenarioError: every problem of the scenario and its workflow.
            UsageError: an option does not fit.
            HarnessError: the environment failed; nothing is proved.
            KeyboardInterrupt: the run was interrupted; every fault is healed.
        """
        __tracebackhide__ = True
        chosen: dict[str, Any] = {
            "trials": trials,
            "seed": seed,
            "on": on,
            "set_values": set_values,
            "pipeline": None if pipeline is None else self._find(pipeline),
            "reports": None if reports is None else self._find(reports),
        }
        try:
            options = options_of(self._config, **chosen)
            found = run(self._config, self._find(scenario), options)
        except ChaosmlError as error:
            # The message says it all; the way through the harness would bury it.
            raise error.with_traceback(None) from None
        result = ScenarioResult(found.judgement, found.directory)
        self._made.append((_running_test(), result))
        record = Record(scenario=os.fspath(scenario), directory=str(found.directory))
        exchange.of(self._config).add(record)
        return result

    def sections(self, item: pytest.Item) -> list[tuple[str, str]]:
        """Return what the runs that a test made or was given showed, for its report."""
        given = [one for one in _arguments(item) if isinstance(one, ScenarioResult)]
        made = [result for test, result in self._made if test == item.nodeid]
        used = {id(result): result for result in [*given, *made]}
        return [
            (f"chaosml {result.judgement.scenario} {result.judgement.run}", result.explain())
            for result in used.values()
        ]

    def _find(self, path: str | os.PathLike[str]) -> pathlib.Path:
        return self._config.rootpath / path


def _arguments(item: pytest.Item) -> list[object]:
    """Return the values of the fixtures that a test asked for."""
    return list(getattr(item, "funcargs", {}).values())


def _running_test() -> str:
    """Return the node id of the test that runs, or is set up."""
    return os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
