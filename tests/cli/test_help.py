"""Help teaches by example: every verb has one, and each of them parses."""

import re
import shlex

import pytest
import typer

from chaosml import cli

ROOT = typer.main.get_command(cli._app)
EXAMPLE = re.compile(r"^ +(chaosml [^\n]+)$", re.MULTILINE)


def verbs(command=ROOT, path=()):
    """Yield every verb that people see, with its path; groups come before their verbs."""
    for name, inner in command.commands.items():
        if not inner.hidden:
            yield (*path, name), inner
            if hasattr(inner, "commands"):
                yield from verbs(inner, (*path, name))


ALL = {" ".join(path): command for path, command in verbs()}


def examples(command):
    """The examples in a help text; what explains one stands two blanks behind it."""
    return [re.split(r"  +|[>|]", found)[0].strip() for found in EXAMPLE.findall(command.help)]


@pytest.mark.parametrize("path", ALL)
def test_every_verb_has_an_example_of_itself(path):
    assert any(one.startswith(f"chaosml {path}") for one in examples(ALL[path])), ALL[path].help


@pytest.mark.parametrize("path", ["", *ALL])
def test_every_example_parses(path):
    for example in examples(ALL[path] if path else ROOT):
        words = shlex.split(example)[1:]
        command, parent = ROOT, None
        while hasattr(command, "commands"):
            name = words.pop(0)
            assert name in command.commands, example
            command = command.commands[name]
        context = command.make_context(name, words, parent=parent)
        assert context.command is command
