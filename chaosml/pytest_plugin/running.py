"""From options of pytest to a run that heals whatever pytest does."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import sys
import warnings
from typing import Any

import pytest

from chaosml import runner
from chaosml.document import display_path
from chaosml.pytest_plugin import exchange
from chaosml.reports.live import progress_on
from chaosml.runner import RunOptions, RunResult

__all__ = ["options_of", "run"]


def options_of(config: pytest.Config, **chosen: Any) -> RunOptions:
    """Return what the command line of pytest and, above it, a caller chose.

    Raises:
        UsageError: the substrate lacks its context.
    """
    options = RunOptions(
        trials=config.getoption("chaosml_trials"),
        seed=config.getoption("chaosml_seed"),
        reports=config.invocation_params.dir / config.getoption("chaosml_reports"),
        on=config.getoption("chaosml_on"),
        context=config.getoption("chaosml_context"),
        namespace=config.getoption("chaosml_namespace"),
        image=config.getoption("chaosml_image"),
        toxiproxy_image=config.getoption("chaosml_toxiproxy_image"),
        prefix="--chaosml-",
    )
    given = {name: value for name, value in chosen.items() if value is not None}
    options = dataclasses.replace(options, **given)
    # Asked for its refusal alone.
    _ = options.place
    return options


def run(config: pytest.Config, path: pathlib.Path, options: RunOptions) -> RunResult:
    """Run a scenario; its progress is what pytest captures, or shows under `-s`.

    On a cluster it is its turn when no other run of the session happens there.

    Raises:
        KeyboardInterrupt: the run was interrupted; every fault is healed.
        ChaosmlError: as `runner.run` says.
    """
    progress = progress_on(sys.stderr)
    place = options.place
    try:
        with contextlib.ExitStack() as held, warnings.catch_warnings():
            if place is not None:
                held.enter_context(exchange.of(config).turn(place.context))
            # A project that turns warnings into errors means its own code, not a harness that
            # must heal what it broke.
            warnings.simplefilter("default")
            # As people would write it, for the replay command.
            result = runner.run(pathlib.Path(display_path(path)), options, progress)
    finally:
        progress.close()
    if result.judgement.interrupted:
        raise KeyboardInterrupt(f"faults are healed; judged so far: {result.directory}")
    return result
