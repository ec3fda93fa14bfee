"""How findings are shown, with names in the files that mean harm."""

import json
import pathlib
import re
import urllib.parse

import pytest

from chaosml.lint.engine import examine
from chaosml.lint.formats import as_json, github, sarif, text
from chaosml.lint.rules import rules
from chaosml.lint.run import Outcome

HOSTILE = "\n::error file=x::gone%0A\x1b[31m</script>\u2028,:"
PATH = pathlib.Path("a dir/100% sure, really:\n::error::x\x1b.yaml")
WORKFLOW = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Workflow",
    "metadata": {"generateName": "t-"},
    "spec": {
        "entrypoint": HOSTILE,
        "templates": [
            {"name": HOSTILE, "container": {"image": HOSTILE, "command": [HOSTILE]}},
            {"name": "b", "dag": {"tasks": [{"name": HOSTILE, "template": HOSTILE + "?"}]}},
        ],
    },
}


def outcome_of(written, path=PATH):
    return Outcome(rules(), (examine(written, path, rules()),))


@pytest.fixture(scope="module")
def hostile():
    outcome = outcome_of(json.dumps(WORKFLOW))
    assert len(outcome.findings) >= 4
    return outcome


@pytest.fixture(scope="module")
def broken():
    return outcome_of(f"spec: '{HOSTILE}\n", PATH)


@pytest.mark.parametrize("which", ["hostile", "broken"])
def test_a_name_cannot_begin_a_line_or_steer_a_terminal(request, which):
    shown = text.render(request.getfixturevalue(which))
    assert "\x1b" not in shown
    starts = r"a dir/100% sure|    (fix|why): |\d|nothing found"
    assert all(re.match(starts, line) for line in re.split("[\r\n\u2028]", shown) if line)


@pytest.mark.parametrize("which", ["hostile", "broken"])
def test_a_name_cannot_give_a_command_to_github(request, which):
    outcome = request.getfixturevalue(which)
    lines = github.render(outcome).splitlines()
    commands, summary = lines[:-1], lines[-1]
    assert len(commands) == len(outcome.findings) + len(outcome.problems)
    assert not summary.startswith("::")
    shape = re.compile(
        r"::(error|warning|notice) file=[^:,]*,line=\d+,col=\d+,title=[^:,]*::(?:(?!::error).)*"
    )
    for line in commands:
        head = line.split("::", 2)[1]
        assert shape.match(line)
        assert "file=a dir/100%25 sure%2C really%3A%0A%3A%3Aerror%3A%3Ax" in head
        assert not re.search(r"%(?!25|0D|0A|3A|2C)", line.replace("%250A", ""))


@pytest.mark.parametrize("which", ["hostile", "broken"])
def test_the_json_document_holds_everything_and_is_one(request, which):
    outcome = request.getfixturevalue(which)
    shown = json.loads(as_json.render(outcome))
    assert shown["schema"] == as_json.SCHEMA
    assert len(shown["findings"]) == len(outcome.findings)
    assert len(shown["problems"]) == len(outcome.problems)
    for found in shown["findings"]:
        assert found["file"] == str(PATH)
        assert found["rule"] in rules()
        assert found["line"] >= 1


LEVELS = {"error", "none", "note", "warning"}


def check_location(location):
    physical = location["physicalLocation"]
    uri = physical["artifactLocation"]["uri"]
    assert re.fullmatch(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-F]{2})+", uri)
    assert urllib.parse.unquote(uri) == str(PATH)
    assert physical["region"]["startLine"] >= 1
    assert physical["region"]["startColumn"] >= 1


@pytest.mark.parametrize("which", ["hostile", "broken"])
def test_sarif_has_what_its_schema_requires(request, which):
    outcome = request.getfixturevalue(which)
    log = json.loads(sarif.render(outcome))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "chaosml"
    ids = [rule["id"] for rule in driver["rules"]]
    assert len(set(ids)) == len(ids)
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"]
        assert rule["help"]["text"]
        assert rule["help"]["markdown"].startswith(f"# {rule['id']}")
        assert rule["defaultConfiguration"]["level"] in LEVELS
    for result in run["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in LEVELS
        assert result["message"]["text"]
        (location,) = result["locations"]
        check_location(location)
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] == (not outcome.problems)
    for notification in invocation["toolExecutionNotifications"]:
        assert notification["message"]["text"]
        check_location(notification["locations"][0])


def test_what_is_suppressed_is_in_sarif_with_its_reason_and_counts_nowhere_else():
    written = rules()["suppression-without-reason"].good
    outcome = outcome_of(written)
    (run,) = json.loads(sarif.render(outcome))["runs"]
    reasons = [result["suppressions"] for result in run["results"] if "suppressions" in result]
    why = "tags are immutable in our registry"
    assert reasons == [[{"kind": "inSource", "justification": why}]]
    shown = json.loads(as_json.render(outcome))
    assert [found["reason"] for found in shown["suppressed"]] == [why]
    assert "image-tag" not in github.render(outcome)
    assert "1 suppressed" in text.render(outcome)


def test_an_absolute_path_is_a_file_uri():
    outcome = outcome_of(json.dumps(WORKFLOW), pathlib.Path("/elsewhere/a b.yaml"))
    (run,) = json.loads(sarif.render(outcome))["runs"]
    uris = {
        location["physicalLocation"]["artifactLocation"]["uri"]
        for result in run["results"]
        for location in result["locations"]
    }
    assert uris == {"file:///elsewhere/a%20b.yaml"}
