"""What a container runs: the shell in front of it, the program, and what both are told.

The behaviour of shells was measured with dash 0.5.12 and bash 5.2, given SIGTERM as Argo's
executor gives it, to the whole process group: a shell without a trap ends at once, and with
it the container, while the program behind it still saves. Only `exec` makes the program the
one whose end counts, and `bash -c` at its last command if that is a simple one.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from chaosml.lint.part import Part

__all__ = ["Command", "Shell", "Variable", "arguments", "shell_of", "variables", "words_of"]

_SHELLS = ("ash", "bash", "dash", "ksh", "sh", "zsh")
_EXECS_ITS_LAST = ("bash", "zsh")
_SCRIPT_MAX = 8_000
_SCRIPT_FLAG = re.compile(r"-[a-z]*c")
_PROGRAM = re.compile(
    r"^(?:(?:env|nohup|time|tini|dumb-init|stdbuf|poetry run|uv run|conda run)\s+(?:-\S+\s+)*)*"
    r"(?:\S*/)?(python[\d.]*|torchrun|accelerate|deepspeed|horovodrun|java|julia|mpirun|Rscript"
    r"|spark-submit)\b"
)
_OPTION = re.compile(
    r"(?:(?<=\s)--(?P<option>[\w-]+)(?:=|[ \t]+)|(?:^|(?<=[\s;]))(?P<variable>[A-Z][A-Z0-9_]*)=)"
    r"(?P<value>'[^'\n]*'|\"[^\"\n]*\"|(?:\{\{[^}\n]*\}\}|[^\s;&|'\"])+)"
)
"""An option with a value, or a variable that is set, in a script."""
_MOMENTARY = re.compile(r"\s+(-V|--version|-c\b|-m\s+(ensurepip|pip|venv)\b)")
"""What Python and its like do in a moment: one line, or an installation."""
_BEFORE_THE_PROGRAM = re.compile(r"^(?:(?:then|do|else|!|\{|\()\s*\b|\w+=\S*\s+)+")
_KEEPS_THE_SHELL = re.compile(r"[<>]|^(?:then|do|else|time|!|\{|\()")
"""A redirection or a compound: bash runs the last command itself then, instead of becoming it."""
_HEREDOC = re.compile(r"<<-?\s*(['\"]?)(\w+)\1([^\n]*)\n.*?\n[ \t]*\2[ \t]*(?=\n|$)", re.DOTALL)
_QUOTED = re.compile(r"'[^']*'|\"(?:\\.|[^\"\\])*\"", re.DOTALL)
_COMMENT = re.compile(r"(?m)(?:^|(?<=\s))#.*$")
_SEPARATOR = re.compile(r"(\|\||&&|;;|[;|\n]|(?<![<>&])&(?![&>]))")


@dataclass(frozen=True, slots=True)
class Command:
    """A simple command of a script."""

    before: str
    """What separates it from the one before, such as `||`; empty for the first."""
    text: str

    @property
    def program(self) -> str:
        """The program of some duration that the shell starts here; empty for all others."""
        plain = _BEFORE_THE_PROGRAM.sub("", self.text)
        found = _PROGRAM.match(plain)
        if found is None or _MOMENTARY.match(plain, found.end()):
            return ""
        return found[1]


@dataclass(frozen=True, slots=True)
class Shell:
    """A shell that stands in front of a program."""

    name: str
    script: Part
    is_file: bool = False
    """Whether the script is in a file, as Argo puts the source of a script template."""

    @property
    def text(self) -> str:
        """The script, as far as it is looked at."""
        return self.script.text[:_SCRIPT_MAX]

    @property
    def commands(self) -> tuple[Command, ...]:
        """The simple commands of the script, without comments and what is quoted."""
        return tuple(_commands(self.text))

    def shielded(self) -> str | None:
        """Return the program whose end does not count because the shell ends before; or None."""
        commands = self.commands
        if any(command.text.startswith("trap ") for command in commands):
            return None
        for command in commands:
            if command.program and not (command is commands[-1] and self._becomes(command)):
                return command.program
        return None

    def _becomes(self, last: Command) -> bool:
        """Tell whether the shell replaces itself with its last command."""
        simple = last.before not in ("|", "||") and not _KEEPS_THE_SHELL.search(last.text)
        return simple and not self.is_file and self.name in _EXECS_ITS_LAST

    @property
    def is_single(self) -> bool:
        """Whether the script is one command, before which `exec` can simply be put."""
        return len(self.commands) == 1 and "\n" not in self.script.text


def _commands(script: str) -> Iterator[Command]:
    plain = _HEREDOC.sub(r"\3", script.replace("\\\n", " "))
    plain = _COMMENT.sub("", _QUOTED.sub("Q", plain))
    before = ""
    for piece in _SEPARATOR.split(plain):
        if _SEPARATOR.fullmatch(piece):
            before = piece if piece != "\n" or not before else before
        elif command := piece.strip():
            yield Command(before, command)
            before = ""


def shell_of(container: Part) -> Shell | None:
    """Return the shell that runs in a container or script; None where there is none."""
    words = [*container.at("command").items(), *container.at("args").items()]
    if not words:
        return None
    name = words[0].text.rpartition("/")[2]
    if name not in _SHELLS:
        return None
    if container.at("source").exists:
        return Shell(name, container.at("source"), is_file=True)
    for flag, script in itertools.pairwise(words[1:]):
        if _SCRIPT_FLAG.fullmatch(flag.text):
            return Shell(name, script)
        if not flag.text.startswith("-"):
            return None
    return None


def words_of(container: Part) -> tuple[Part, ...]:
    """Return everything that a container is told on its command line, its script too."""
    return (
        *container.at("command").items(),
        *container.at("args").items(),
        *((container.at("source"),) if container.at("source").exists else ()),
    )


@dataclass(frozen=True, slots=True)
class Variable:
    """A name and the value that a program is given under it."""

    name: str
    """In lower case with `-`: `run-id` for `RUN_ID`, `--run_id` and `--run-id`."""
    value: str
    part: Part
    field_path: str = ""
    """The field of the pod that it is taken from, such as `metadata.uid`."""

    @property
    def is_constant(self) -> bool:
        """Whether it is the same text in every run."""
        return bool(self.value) and "{{" not in self.value and "$" not in self.value


def variables(container: Part) -> Iterator[Variable]:
    """Yield environment variables and options with a value."""
    for entry in container.at("env").items():
        name = _plain_name(entry.at("name").text)
        field = entry.at("valueFrom", "fieldRef", "fieldPath")
        if entry.at("value").exists:
            yield Variable(name, entry.at("value").text, entry.at("value"))
        elif field.exists:
            yield Variable(name, "", field, field.text)
    yield from arguments(container)
    shell = shell_of(container)
    if shell is not None:
        yield from _said_in(shell)


def _said_in(shell: Shell) -> Iterator[Variable]:
    """Yield the options and variables that a script gives to what it starts."""
    for found in _OPTION.finditer(shell.text):
        value = found["value"].strip("'\"")
        if not value.startswith("-"):
            yield Variable(_plain_name(found["option"] or found["variable"]), value, shell.script)


def arguments(container: Part) -> Iterator[Variable]:
    """Yield the options of a command line, `--name=value` or `--name value`."""
    words = [*container.at("command").items(), *container.at("args").items()]
    for word, after in itertools.zip_longest(words, words[1:]):
        if not word.text.startswith("--"):
            continue
        name, equals, value = word.text.partition("=")
        if equals:
            yield Variable(_plain_name(name), value, word)
        elif after is not None and not after.text.startswith("-"):
            yield Variable(_plain_name(name), after.text, after)


def _plain_name(name: str) -> str:
    return name.lstrip("-").lower().replace("_", "-")
