"""What the pages say exists: commands parse, links lead somewhere, YAML is YAML."""

import contextlib
import io
import re

import pytest
import typer
import yaml
from documents import PAGES, blocks, commands
from tree import ROOT

from chaosml import cli

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_OPTION = re.compile(r"--chaosml[a-z-]*")


@pytest.fixture(scope="module")
def command_line():
    """The command line with verbs that do nothing."""

    def silence(command):
        command.callback = lambda **values: None
        for below in getattr(command, "commands", {}).values():
            silence(below)

    whole = typer.main.get_command(cli._app)
    silence(whole)
    return whole


def complaint(command_line, words, *, is_whole=True):
    """Return what the command line says against a call; nothing where it takes it."""
    told = io.StringIO()
    try:
        with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()):
            command_line.main(args=list(words), prog_name="chaosml")
    except SystemExit as ended:
        if not ended.code:
            return ""
    # A sentence names a verb without what it is about.
    return "" if not is_whole and "Missing" in told.getvalue() else told.getvalue()


def plain(words):
    """Return a call with something in the place of what the reader is to put in."""
    filled = [word.rstrip("…") if word.rstrip("…") else "x" for word in words if word != "…"]
    return ["7" if word in {"N", "[N]"} else word for word in filled]


def test_every_call_in_the_pages_is_one_that_the_command_line_takes(command_line):
    refused = {
        str(command): said
        for command in commands()
        if (said := complaint(command_line, plain(command.words), is_whole=command.is_whole))
    }
    assert refused == {}


@pytest.mark.parametrize(
    "call", ["run", "lint --exlpain x", "runn s.yaml", "run s.yaml --trials many", "cluster upp"]
)
def test_a_call_that_the_command_line_does_not_take_is_found(command_line, call):
    assert complaint(command_line, call.split())


def test_calls_are_found_in_blocks_and_in_sentences():
    found = [(command.page, command.words[0]) for command in commands()]
    assert len(found) > 100
    assert ("README.md", "run") in found
    assert ("docs/pytest.md", "merge") in found


def test_every_option_of_the_plugin_that_the_pages_name_is_there():
    plugin = (ROOT / "chaosml/pytest_plugin/__init__.py").read_text(encoding="utf-8")
    there = set(_OPTION.findall(plugin))
    named = {
        (path.name, option)
        for path in PAGES
        for option in _OPTION.findall(path.read_text(encoding="utf-8"))
    }
    assert {(page, option) for page, option in named if option not in there} == set()


def _anchors(page):
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_every_link_between_the_pages_leads_somewhere():
    lost = []
    for path in PAGES:
        text = re.sub(r"```.*?```|`[^`\n]*`", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        for link in _LINK.findall(text):
            if re.match(r"[a-z]+:", link):
                continue
            file, _, anchor = link.partition("#")
            target = (path.parent / file).resolve() if file else path
            if not target.exists() or (
                anchor and anchor not in _anchors(target.read_text(encoding="utf-8"))
            ):
                lost.append(f"{path.name}: {link}")
    assert lost == []


def test_every_block_of_yaml_is_yaml():
    broken = []
    for block in blocks("yaml"):
        try:
            list(yaml.safe_load_all(block.text))
        except yaml.YAMLError as error:
            broken.append(f"{block.page}:{block.line}: {error}")
    assert broken == []


def test_every_page_is_in_the_index():
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    linked = set(_LINK.findall(index))
    pages = {
        path.relative_to(ROOT / "docs").as_posix()
        for path in PAGES
        if path.is_relative_to(ROOT / "docs") and path.parent.name != "lint"
    }
    assert pages - {"README.md"} - linked == set()
