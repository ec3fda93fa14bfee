"""The real Chaos Toolkit with our extension: what it finds, runs, and leaves in its journal."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import urllib.request
from typing import Any

import pytest
from experiments import CHAOS, call, export, judge, python

pytestmark = [pytest.mark.chaostoolkit, pytest.mark.timeout(120)]


def test_discover_shows_every_function_with_typed_arguments(tmp_path: pathlib.Path) -> None:
    done = call(*CHAOS, "discover", "--no-install", "chaosml", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "discovery.json").read_text())["activities"]
    assert {(one["type"], one["name"]) for one in found} == {
        *(("action", name) for name in ("run_scenario", "recover", "delete_pod", "evict_pod")),
        *(("action", name) for name in ("add_toxic", "remove_toxic")),
        *(("probe", name) for name in ("run_status", "expectation_status")),
        *(("probe", name) for name in ("invalid_injections", "pod_is_running")),
    }
    for one in found:
        assert one["doc"]
        assert "object" not in [given["type"] for given in one["arguments"] if "type" in given]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The folder in which an exported scenario was run."""
    folder = tmp_path_factory.mktemp("ran")
    path = export(folder)
    done = call(*CHAOS, "validate", path.name, folder=folder)
    assert done.returncode == 0, done.stderr
    done = call(*CHAOS, "run", path.name, folder=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_an_exported_scenario_runs_and_its_journal_is_judged(ran: pathlib.Path) -> None:
    code, judged = judge(ran)
    assert (code, judged["status"], judged["doubts"]) == (0, "PASS", [])
    assert judged["runs"][0]["verdict"]["scenario"] == "trainer"


@pytest.mark.parametrize(("wanted", "code"), [("PASS", 0), ("FAIL", 1)])
def test_probes_and_tolerances_judge_a_recorded_run(
    ran: pathlib.Path, tmp_path: pathlib.Path, wanted: str, code: int
) -> None:
    run = str(ran / "reports" / "trainer" / "latest")
    empty = {"type": "probe", "name": "none", "provider": python("tolerances", "is_empty")}
    status = python("probes", "expectation_status", expectation="lost-steps", run=run)
    invalid = python("probes", "invalid_injections", run=run)
    probes = [
        {"type": "probe", "name": "invalid", "tolerance": empty, "provider": invalid},
        {"type": "probe", "name": "lost-steps", "tolerance": wanted, "provider": status},
    ]
    experiment = {
        "title": "a run that is there",
        "description": "It is only looked at.",
        # Before the method an unmet hypothesis would end as `completed`, with exit code 0.
        "runtime": {"hypothesis": {"strategy": "after-method-only"}},
        "steady-state-hypothesis": {"title": "it went well", "probes": probes},
        "method": [],
    }
    (tmp_path / "look.json").write_text(json.dumps(experiment))
    done = call(*CHAOS, "run", "look.json", folder=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    assert judge(tmp_path)[0] == 3


def test_toxics_are_added_and_removed_at_a_toxiproxy(tmp_path: pathlib.Path) -> None:
    command = [sys.executable, "-m", "chaosml.services.toxiproxy", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip().rpartition(':')[2]}"
        try:
            body = {"name": "store", "upstream": "127.0.0.1:1", "listen": "127.0.0.1:0"}
            ask(url, "/proxies", body)
            given = {"url": url, "proxy": "store", "name": "slow"}
            late = {"type": "latency", "attributes": {"latency": 50}}
            method = [
                {"type": "action", "name": "add", "provider": python("actions", "add_toxic")},
                {"type": "action", "name": "remove", "provider": python("actions", "remove_toxic")},
                {"type": "action", "name": "nowhere", "provider": python("actions", "add_toxic")},
            ]
            method[0]["provider"]["arguments"] = given | late
            method[1]["provider"]["arguments"] = given
            method[2]["provider"]["arguments"] = given | late | {"proxy": "none"}
            experiment = {"title": "toxics", "description": "Of one proxy.", "method": method}
            (tmp_path / "toxics.json").write_text(json.dumps(experiment))
            call(*CHAOS, "run", "toxics.json", folder=tmp_path)
            assert ask(url, "/proxies/store")["toxics"] == []
        finally:
            server.terminate()
    entries = json.loads((tmp_path / "journal.json").read_text())["run"]
    assert [entry["status"] for entry in entries] == ["succeeded", "succeeded", "failed"]


def ask(url: str, path: str, body: object = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url + path, data), timeout=20) as answer:
        return json.load(answer)
