"""`external`: a program of the user's is the fault: a script, Chaos Mesh, AWS FIS.

Mechanism: `command` is started on the machine where chaosml runs, in the folder of the
scenario, without a shell, in a process group of its own; with `kubectl` or `aws` it reaches
whatever they reach. Its exit code says whether it did what it should.
It gets PATH, HOME, the locale, TMPDIR and PYTHONPATH, and the variables that `environment` names,
whose values are not recorded and are blotted out of what the programs print.
Permissions: those of the program. Heal: `undo`, after `for`, at the end of the execution, or
by `chaosml recover`; it must do no harm when it is done twice.
Receipt: `receipt` is started again and again until it exits 0 and prints a JSON object with
`"took-effect": true`, or with what `expect` asks for; what it prints is kept.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, PlainSerializer

from chaosml.event import Scalar
from chaosml.faults.commanding import (
    Argv,
    Commanded,
    CommandedOptions,
    Names,
    Programs,
    carry_out,
    check_words,
)
from chaosml.faults.program import Program, fill
from chaosml.faults.script import Scene, Script

__all__ = ["External", "ExternalOptions"]


def _show(expected: dict[str, Scalar]) -> str:
    return ", ".join(f"{path}={value}" for path, value in expected.items())


class ExternalOptions(CommandedOptions):
    """Options of `external`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "command": ["./partition.sh", "{pod}"],
                    "receipt": ["./is-partitioned.sh", "{pod}"],
                    "undo": ["./join.sh", "{pod}"],
                    "environment": ["KUBECONFIG"],
                    "for": "20s",
                }
            ]
        }
    )

    command: Argv
    """The program that is the fault, and its arguments."""
    receipt: Argv
    """The program that says whether it took effect."""
    expect: Annotated[
        dict[str, str | bool | int | float | None],
        AfterValidator(check_words),
        PlainSerializer(_show, return_type=str),
    ] = Field(default_factory=dict)
    """What the receipt must print, by dotted path; default: `took-effect: true`."""
    undo: Argv | None = None
    """The program that takes it back."""
    environment: Names = ()
    """Names of environment variables that the programs get, such as `KUBECONFIG`."""

    def variables(self) -> tuple[str, ...]:
        """Return the names of the environment variables that its programs get."""
        return self.environment


class External(Commanded):
    """Has a program of the user's disturb the target."""

    kind = "external"
    options = ExternalOptions

    def script(self, options: ExternalOptions, view: str | None, scene: Scene) -> Script:
        """Run it, have its effect confirmed, take it back."""
        known = scene.known()

        def program(argv: tuple[str, ...]) -> Program:
            return Program(
                argv=tuple(fill(argv, known)),
                environment=options.variables(),
                timeout_s=options.timeout,
            )

        programs = Programs(
            command=program(options.command),
            receipt=program(options.receipt),
            expected=fill(options.expect, known),
            undo=None if options.undo is None else program(options.undo),
        )
        return carry_out(scene, programs, options)
