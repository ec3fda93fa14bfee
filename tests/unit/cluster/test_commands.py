"""The verbs of a cluster, as the command line mounts them."""

import json
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from chaosml.cluster import commands, diagnosis, life
from chaosml.cluster.diagnosis import Check, State
from chaosml.cluster.inspection import ClusterStatus, Node
from chaosml.errors import ChaosmlError
from chaosml.terminal import Terminal


class Lines:
    """What the command line was told to write."""

    def __init__(self):
        self.result, self.said = "", []

    def emit(self, text):
        self.result += text

    def attempt(self, action):
        try:
            return action()
        except ChaosmlError as error:
            self.said.append(str(error))
            return error.exit_code


@pytest.fixture
def lines():
    return Lines()


@pytest.fixture
def run(lines):
    app = typer.Typer()
    commands.mount(app, Terminal(lines.attempt, lines.emit, lines.said.append))

    def invoke(*arguments):
        return CliRunner().invoke(app, arguments).exit_code

    return invoke


def test_help_shows_what_to_type():
    app = typer.Typer()
    commands.mount(app, Terminal(int, int, int))
    shown = CliRunner().invoke(app, ["cluster", "up", "--help"]).output
    assert "chaosml cluster up --argo-version v3.7.18" in shown
    assert "--node-image" in shown


def test_wrong_options_of_up_are_usage_errors_before_anything_is_touched(run, lines):
    assert run("cluster", "up", "--argo-env", "NOVALUE") == 2
    assert run("cluster", "up", "--argo-version", "latest") == 2
    assert lines.said[0] == "--argo-env NOVALUE: is not NAME=VALUE"
    assert "must look like v4.0.5" in lines.said[1]


def test_status_of_no_cluster_says_how_to_make_one(run, lines, monkeypatch):
    nothing = ClusterStatus(name="chaosml", context="kind-chaosml", nodes=())
    monkeypatch.setattr(life, "status", lambda name: nothing)
    assert run("cluster", "status") == 4
    assert "chaosml cluster up" in lines.result


def test_status_names_every_problem_and_in_json_whether_it_is_ready(run, lines, monkeypatch):
    node = Node(name="chaosml-worker", role="worker", image="i", running=False)
    broken = ClusterStatus(
        name="chaosml", context="kind-chaosml", nodes=(node,), problems=(node.problem,)
    )
    monkeypatch.setattr(life, "status", lambda name: broken)
    assert run("cluster", "status") == 4
    assert "problem: node chaosml-worker is stopped" in lines.result
    lines.result = ""
    assert run("cluster", "status", "--output", "json") == 4
    document = json.loads(lines.result)
    assert document["ready"] is False
    assert document["nodes"][0]["name"] == "chaosml-worker"


def test_down_of_nothing_is_content(run, lines, monkeypatch):
    monkeypatch.setattr(life, "down", lambda name, **_: False)
    assert run("cluster", "down") == 0
    assert lines.result == "there is no cluster chaosml\n"


def test_the_doctor_fails_only_where_something_is_missing(run, lines, monkeypatch):
    checks = [Check("kubectl", State.NOTE, "not installed")]
    monkeypatch.setattr(diagnosis, "doctor", lambda *_: checks)
    assert run("doctor", "--on", "kind") == 0
    checks.append(Check("kind", State.MISSING, "not installed", "install it", "a: 1\nb: 2\n"))
    assert run("doctor", "--on", "kind") == 4
    assert "→ install it" in lines.result
    assert lines.result.endswith("\na: 1\nb: 2\n")


def test_the_doctor_of_embedded_runs_asks_for_no_cluster(run, lines, monkeypatch):
    monkeypatch.setattr(diagnosis, "doctor", lambda *_: pytest.fail("a cluster was looked for"))
    assert run("doctor") == 0
    assert {line.split()[0] for line in lines.result.splitlines()} == {"ok"}


def test_the_doctor_is_told_of_one_place(run, lines):
    assert run("doctor", "--on", "cluster") == 2
    assert run("doctor", "--on", "kind", "--context", "staging") == 2
    assert "--on cluster needs --context NAME" in lines.said[0]
    assert "--context staging names a cluster, --on kind does not" in lines.said[1]


def test_mounting_the_verbs_imports_neither_yaml_nor_the_client():
    script = (
        "import sys; from chaosml.cluster import commands; "
        "print([name for name in ('kubernetes', 'yaml') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
