"""Completion in the shell: scenario files, runs, kinds of faults; and the script that asks for it.

Everything here is asked at each press of a key, so nothing heavy is imported: faults are known
by the files that are theirs, scenarios by their first lines.
"""

from __future__ import annotations

import contextlib
import enum
import os
import pathlib
from collections.abc import Iterator

__all__ = ["VARIABLE", "Shell", "faults", "prepare", "runs", "scenarios", "script", "substrates"]

VARIABLE = "_CHAOSML_COMPLETE"
"""Set by the script when it asks."""
_HEAD_BYTES = 4096
_ENTRIES_MAX = 2000
_OBJECTS = ("container", "network", "node", "pod", "spot", "storage", "task")
"""What faults are done to: the first part of their names."""
_BASH = """\
_chaosml_completion() {
    local IFS=$'\\n'
    COMPREPLY=( $( env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD \\
                   _CHAOSML_COMPLETE=complete_bash "$1" 2>/dev/null ) )
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == */ ]]; then compopt -o nospace; fi
    return 0
}
complete -o default -F _chaosml_completion chaosml
"""


class Shell(enum.StrEnum):
    """Shells that are known."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def script(shell: Shell) -> str:
    """Return what a shell has to read to complete our command line."""
    if shell is Shell.BASH:
        return _BASH
    from typer._completion_shared import get_completion_script

    found = get_completion_script(prog_name="chaosml", complete_var=VARIABLE, shell=shell.value)
    return found.strip() + "\n"


def prepare() -> None:
    """Let the command line answer a script that asks."""
    from typer import completion

    # Public in all but name: typer itself calls it where it installs completion by its own option.
    completion.completion_init()  # type: ignore[attr-defined]


def scenarios(incomplete: str) -> list[str]:
    """Return the scenario files, and the folders, whose path begins so."""
    return [
        shown
        for shown, entry in _entries(incomplete)
        if entry.is_dir() or (entry.suffix in {".yaml", ".yml"} and _is_scenario(entry))
    ]


def runs(incomplete: str) -> list[str]:
    """Return the recorded runs, and the folders on the way to some, whose path begins so."""
    return [shown for shown, entry in _entries(incomplete or "reports/") if entry.is_dir()]


def faults(incomplete: str) -> list[str]:
    """Return the kinds of faults that begin so."""
    folder = pathlib.Path(__file__).with_name("faults")
    stems = sorted(path.stem for path in folder.glob("*_*.py") if not path.stem.startswith("_"))
    split = [stem.partition("_") for stem in stems]
    kinds = [f"{thing}.{verb.replace('_', '-')}" for thing, _, verb in split if thing in _OBJECTS]
    return [kind for kind in kinds if kind.startswith(incomplete)]


def substrates(incomplete: str) -> list[str]:
    """Return where pipelines can run."""
    return [name for name in ("embedded", "kind", "cluster") if name.startswith(incomplete)]


def _entries(incomplete: str) -> Iterator[tuple[str, pathlib.Path]]:
    """Yield what is in the folder, as it would be typed; folders end in a slash."""
    folder, _, begin = incomplete.rpartition("/")
    base = folder + "/" if "/" in incomplete else ""
    with contextlib.suppress(OSError):
        names = sorted(os.listdir(os.path.expanduser(base) or "."))[:_ENTRIES_MAX]
        for name in names:
            if not name.startswith(begin) or (name.startswith(".") and not begin):
                continue
            path = pathlib.Path(os.path.expanduser(base)) / name
            yield f"{base}{name}{'/' if path.is_dir() else ''}", path


def _is_scenario(path: pathlib.Path) -> bool:
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return b"\nkind: Scenario" in b"\n" + file.read(_HEAD_BYTES)
    return False
