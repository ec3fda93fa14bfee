"""The exceptions of chaosml, by who must act.

    ChaosmlError
      UsageError        the command line or call is wrong; the user changes it      exit 2
        ScenarioError   a scenario or workflow file is wrong; all problems at once  exit 2
      HarnessError      the environment or the harness failed; nothing was proved   exit 4
        ServiceError    a service (gate, store, metadata, control) failed
        SubstrateError  pods or nodes could not be handled
          FaultRefused  a rule of the environment forbids a fault; the trial is INVALID   exit 3
        HistoryError    a run directory or history cannot be read or written
        ShadowError     Argo showed what our own reducer cannot reach: a bug of ours
      Interrupted       the user stopped the run; faults were healed                exit 130

A failing pipeline is never an exception: it is a verdict (see `verdict`).
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "ChaosmlError",
    "FaultRefused",
    "HarnessError",
    "HistoryError",
    "Interrupted",
    "Problem",
    "ScenarioError",
    "ServiceError",
    "ShadowError",
    "SubstrateError",
    "UsageError",
]


class ChaosmlError(Exception):
    """Anything that chaosml tells its user instead of showing a traceback."""

    exit_code = 4


class UsageError(ChaosmlError):
    """The command line or the call asks for something that does not exist or fit."""

    exit_code = 2


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong in a file: where, what, the value, what would be right."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class ScenarioError(UsageError):
    """A scenario or workflow file is wrong. Carries every problem of the file."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class HarnessError(ChaosmlError):
    """The environment or the harness itself failed, so nothing was proved."""


class ServiceError(HarnessError):
    """A service that pods talk to could not start, answer or stop."""


class SubstrateError(HarnessError):
    """Pods or nodes could not be started, signalled or removed."""


class FaultRefused(SubstrateError):
    """A rule of the environment forbids a fault; nothing was changed.

    Inside an execution it makes the injection INVALID, and the run goes on.
    """

    def __init__(self, why: str, detail: str) -> None:
        self.why = why
        """In a few words joined by hyphens, such as `refused-by-pdb`."""
        super().__init__(detail)


class HistoryError(HarnessError):
    """A history or run directory could not be read or written."""


class ShadowError(HarnessError):
    """A real Argo showed a status that our reducer cannot reach, so one of the two is not Argo."""


class Interrupted(ChaosmlError):
    """The user interrupted the run; every fault was healed before this was raised."""

    exit_code = 130
