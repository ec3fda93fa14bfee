"""The pytest plugin: scenarios as test files, their expectations as test items.

pytest loads this module in every project where chaosml is installed, so it imports nothing
but pytest; whatever is heavy is imported by the first scenario or by the fixture's first use.

    pytest --chaosml scenarios/ ─► ScenarioFile ─► one Expectation item each
                                        └► Exchange: the first that asks runs, the others read
"""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from chaosml.pytest_plugin.calls import Calls

__all__ = [
    "chaosml",
    "pytest_addoption",
    "pytest_assertrepr_compare",
    "pytest_collect_file",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_configure_node",
    "pytest_runtest_makereport",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
    "pytest_unconfigure",
    "pytest_xdist_make_scheduler",
]

_SUFFIXES = (".yaml", ".yml")
_RESULT = "chaosml.pytest_plugin.result"
_CALLS: pytest.StashKey[Calls] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; each speaks for itself in `pytest --help`."""
    group = parser.getgroup("chaosml", "chaos testing of ML pipelines")
    group.addoption(
        "--chaosml",
        action="store_true",
        help="Collect chaosml scenarios (*.yaml): an item for every expectation.",
    )
    group.addoption(
        "--chaosml-on",
        choices=("embedded", "kind", "cluster"),
        default="embedded",
        help="Where pipelines run (default: embedded).",
    )
    group.addoption("--chaosml-context", metavar="NAME", help="Context for --chaosml-on cluster.")
    group.addoption("--chaosml-namespace", metavar="NAME", help="Namespace of the cluster.")
    group.addoption(
        "--chaosml-image", metavar="IMAGE", help="chaosml's own image, instead of a build."
    )
    group.addoption("--chaosml-toxiproxy-image", metavar="IMAGE", help="From a mirror.")
    group.addoption(
        "--chaosml-seed", type=int, metavar="N", help="Decides places and cases of every scenario."
    )
    group.addoption(
        "--chaosml-trials", type=int, metavar="N", help="Disturbed executions of every scenario."
    )
    group.addoption(
        "--chaosml-reports", default="reports", metavar="DIR", help="Where runs are recorded."
    )
    group.addoption(
        "--chaosml-shard",
        metavar="I/N",
        help="Run the I-th of N parts of the scenarios; `chaosml merge` puts the parts together.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker; refuse a shard that does not exist."""
    config.addinivalue_line(
        "markers", "chaosml: runs a pipeline under faults (set on scenarios and users of `chaosml`)"
    )
    if config.getoption("chaosml_shard") is not None:
        from chaosml.pytest_plugin import shards

        shards.check(config)


def pytest_collect_file(
    file_path: pathlib.Path, parent: pytest.Collector
) -> pytest.Collector | None:
    """Collect a file that is meant to be a scenario, sound or not."""
    if file_path.suffix not in _SUFFIXES or not parent.config.getoption("chaosml"):
        return None
    from chaosml.pytest_plugin import items

    if not items.is_meant_as_scenario(file_path):
        return None
    found: pytest.Collector = items.ScenarioFile.from_parent(parent, path=file_path)
    return found


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what runs pipelines before `-m` selects, and leave to other shards what is theirs."""
    for item in items:
        if "chaosml" in getattr(item, "fixturenames", ()):
            item.add_marker("chaosml")
    if config.getoption("chaosml_shard") is not None:
        from chaosml.pytest_plugin import shards

        shards.keep_own(config, items)


@pytest.fixture(scope="session")
def chaosml(pytestconfig: pytest.Config) -> Calls:
    """Run scenarios from a test: `result = chaosml.run("scenarios/spot.yaml", trials=3)`."""
    from chaosml.pytest_plugin.calls import Calls

    calls = Calls(pytestconfig)
    pytestconfig.stash[_CALLS] = calls
    return calls


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Say where a figure of a run comes from when a comparison with it fails."""
    for operand in (left, right):
        # Nobody can hold one unless the module is there already.
        if type(operand).__module__ == _RESULT:
            return sys.modules[_RESULT].explain_comparison(op, left, right)  # type: ignore[no-any-return]
    return None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put the verdicts of the runs that a failed test used beside its failure."""
    report = yield
    calls = item.config.stash.get(_CALLS, None)
    if calls is not None and report.failed:
        report.sections += calls.sections(item)
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of xdist the folder through which runs are shared."""
    from chaosml.pytest_plugin import exchange

    node.workerinput[exchange.WORKER_KEY] = str(exchange.of(node.config).folder)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Send the items of a scenario to one worker, so that none waits for another's run."""
    if not config.getoption("chaosml") or config.getoption("dist") != "load":
        return None
    from chaosml.pytest_plugin.scheduling import ScenarioScheduling

    return ScenarioScheduling(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """End with the scorecard of every run of the session."""
    if not _is_used(terminalreporter.config):
        return
    from chaosml.pytest_plugin import exchange

    records = exchange.records_of(terminalreporter.config)
    if records:
        from chaosml.pytest_plugin import summary

        summary.write(terminalreporter, records)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leave the record of this shard for `chaosml merge`."""
    config = session.config
    if config.getoption("chaosml_shard") is not None and not hasattr(config, "workerinput"):
        from chaosml.pytest_plugin import shards

        shards.finish(session)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the folder through which runs were shared."""
    if _is_used(config):
        from chaosml.pytest_plugin import exchange

        exchange.close(config)


def _is_used(config: pytest.Config) -> bool:
    """Whether anything of this session may have run a scenario here or in a worker."""
    return "chaosml.pytest_plugin.exchange" in sys.modules and not hasattr(config, "workerinput")
