"""What the pages say exists: commands parse, links lead somewhere, YAML is YAML."""

import contextlib
import io
import re

import pytest
import typer
import yaml
from documents import PAGES, blocks, commands
from pydantic import ValidationError
from tree import ROOT

from chaosml import cli
from chaosml.cluster.permissions import needed, role_yaml
from chaosml.faults.catalogue import option_models
from chaosml.lint.run import lint
from chaosml.scenario.model import Artifact, Fault, Service
from chaosml.workflow import load as workflow_load

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
    assert len(found) > 90
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
            if not target.exists() or (anchor and anchor not in _anchors(target)):
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


@pytest.fixture(scope="module")
def cron(tmp_path_factory):
    """The file with the CronWorkflow of docs/ci.md."""
    (found,) = [
        one
        for one in blocks("yaml")
        if one.page == "docs/ci.md" and "kind: CronWorkflow" in one.text
    ]
    path = tmp_path_factory.mktemp("ci") / "cron.yaml"
    path.write_text(found.text)
    return path


def _objects(path, kind):
    return [one for one in yaml.safe_load_all(path.read_text()) if one["kind"] == kind]


def test_the_linter_finds_nothing_in_the_cron_workflow(cron):
    outcome = lint([str(cron)])
    assert (outcome.documents, outcome.findings, outcome.problems) == (1, (), ())


def test_the_cron_workflow_has_no_key_that_argo_does_not_know(cron, tmp_path):
    (found,) = _objects(cron, "CronWorkflow")
    inner = {"apiVersion": found["apiVersion"], "kind": "Workflow", "metadata": {"name": "run"}}
    path = tmp_path / "workflow.yaml"
    path.write_text(yaml.safe_dump({**inner, "spec": found["spec"]["workflowSpec"]}))
    # Volumes of other kinds and artifacts are known, and not for local processes.
    unknown = [
        str(one)
        for one in workflow_load.examine(path, frozenset()).problems
        if "not supported by the embedded substrate" not in one.message
        and '"emptyDir" is missing' not in one.message
    ]
    assert unknown == []


def test_the_runner_of_the_cron_workflow_is_called_as_the_command_line_takes_it(cron, command_line):
    (found,) = _objects(cron, "CronWorkflow")
    (template,) = found["spec"]["workflowSpec"]["templates"]
    container = template["container"]
    assert container["command"] == ["chaosml"]
    assert complaint(command_line, container["args"]) == ""
    (config,) = _objects(cron, "ConfigMap")
    (context,) = yaml.safe_load(config["data"]["config"])["contexts"]
    assert context["name"] in container["args"]
    assert (ROOT / "scenarios" / container["args"][1].rpartition("/")[2]).exists()


def test_the_rights_of_the_runner_are_those_that_its_faults_need(cron):
    granted = role_yaml(needed(["pod.delete", "pod.evict"]), "ml-chaos")
    role, everywhere = yaml.safe_load_all(granted)
    shown = [one for one in _objects(cron, "Role") if one["metadata"]["name"] == "chaosml"]
    assert [one["rules"] for one in shown] == [role["rules"]]
    assert [one["rules"] for one in _objects(cron, "ClusterRole")] == [everywhere["rules"]]


def test_every_role_of_the_runner_is_bound_to_its_service_account(cron):
    (account,) = _objects(cron, "ServiceAccount")
    roles = _objects(cron, "Role") + _objects(cron, "ClusterRole")
    bindings = _objects(cron, "RoleBinding") + _objects(cron, "ClusterRoleBinding")
    assert {(one["kind"], one["metadata"]["name"]) for one in roles} == {
        (one["roleRef"]["kind"], one["roleRef"]["name"]) for one in bindings
    }
    for binding in bindings:
        (subject,) = binding["subjects"]
        assert {key: subject[key] for key in ("name", "namespace")} == account["metadata"]


def test_faults_and_artifacts_in_the_pages_are_what_a_scenario_takes():
    broken = []
    for block in blocks("yaml"):
        for document in yaml.safe_load_all(block.text):
            for error in _errors(document):
                broken.append(f"{block.page}:{block.line}: {error}")
    assert broken == []


def _errors(document):
    """Yield what is wrong with the parts of a scenario that a block shows."""
    if not isinstance(document, dict):
        return
    faults = document.get("faults", [])
    artifacts = document.get("artifacts") or (document.get("pipeline") or {}).get("artifacts", [])
    pairs = [(Fault, one) for one in faults] + [(Artifact, one) for one in artifacts]
    pairs += [(option_models()[one["inject"]], one.get("with", {})) for one in faults]
    services = document.get("services")
    pairs += [(Service, one) for one in (services.values() if isinstance(services, dict) else ())]
    for model, given in pairs:
        try:
            model.model_validate(given)
        except ValidationError as error:
            yield str(error)
