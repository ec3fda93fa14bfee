"""From options of pytest to a run and its judgement, with errors told as messages."""

from __future__ import annotations

import dataclasses
import pathlib
import sys
import warnings
from typing import Any

import msgspec
import pytest

from chaosml import runner
from chaosml.document import display_path
from chaosml.errors import HistoryError
from chaosml.reports.live import progress_on
from chaosml.runner import RunOptions, RunResult
from chaosml.verdict import Judgement

__all__ = ["judgement_of", "options_of", "run"]


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
    )
    given = {name: value for name, value in chosen.items() if value is not None}
    options = dataclasses.replace(options, **given)
    # Asked for its refusal alone.
    _ = options.place
    return options


def run(path: pathlib.Path, options: RunOptions) -> RunResult:
    """Run a scenario; its progress is what pytest captures, or shows under `-s`.

    Raises:
        KeyboardInterrupt: the run was interrupted; every fault is healed.
        ChaosmlError: as `runner.run` says.
    """
    progress = progress_on(sys.stderr)
    try:
        with warnings.catch_warnings():
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


def judgement_of(directory: pathlib.Path) -> Judgement:
    """Return the judgement that a run directory holds.

    Raises:
        HistoryError: it cannot be read.
    """
    path = directory / "verdict.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Judgement)
    except OSError as error:
        raise HistoryError(f"{path}: cannot be read: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise HistoryError(f"{path}: is not what this version writes: {error}") from error
