"""The names by which programs are told what is theirs to resume, register or change."""

from __future__ import annotations

import re
from collections.abc import Iterator

from chaosml.lint.argo import Manifest, Template
from chaosml.lint.programs import Variable, variables

__all__ = ["changes_the_world", "identities", "is_checkpoint", "registers", "told"]

_IDENTITY = re.compile(r"(^|-)(run|job|training|execution)-(id|key|uuid)$|(^|-)idempotency-key$")
_CHECKPOINT = re.compile(
    r"(^|-)(checkpoints?|ckpts?)(-(dir|directory|folder|key|path|prefix|root|uri))?$"
)
_REGISTERS = re.compile(r"(^|[-_.])(deploy|promote|publish|register|release)(?=$|[-_.])", re.I)
_CHANGES = re.compile(
    r"(^|[-_.])(alarm|alert|delete|deploy|email|notify|promote|publish|push|register|release|send"
    r"|slack|trigger|upload)(?=$|[-_.])",
    re.I,
)


def told(manifest: Manifest) -> Iterator[tuple[Template, Variable]]:
    """Yield every variable and option of every container of a document."""
    for template in manifest.templates:
        for container in template.containers:
            for variable in variables(container):
                yield template, variable


def identities(manifest: Manifest) -> Iterator[tuple[Template, Variable]]:
    """Yield the variables that name a run, such as `RUN_ID` and `--run-id`."""
    return (one for one in told(manifest) if _IDENTITY.search(one[1].name))


def is_checkpoint(variable: Variable) -> bool:
    """Tell whether a variable says where checkpoints are."""
    return _CHECKPOINT.search(variable.name) is not None


def registers(name: str) -> bool:
    """Tell by its name whether a step enters something that must be there once."""
    return _REGISTERS.search(name) is not None


def changes_the_world(name: str) -> bool:
    """Tell by its name whether a step is run for what it does outside, not for its outputs."""
    return _CHANGES.search(name) is not None
