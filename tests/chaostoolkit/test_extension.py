"""The real Chaos Toolkit with our extension: what it finds, runs, and leaves in its journal."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import urllib.request
from typing import Any

import pytest
import yaml

from chaosml import clock

pytestmark = [pytest.mark.chaostoolkit, pytest.mark.timeout(120)]

ROOT = pathlib.Path(__file__).resolve().parents[2]
TRAINER = ROOT / "tests" / "whole" / "trainer.yaml"
EXTENSION = ROOT / "tests" / "conformance" / "toolkit" / "extension.py"
CHAOS = [str(pathlib.Path(sys.executable).with_name("chaos")), "--no-version-check"]
CHAOSML = [sys.executable, "-m", "chaosml"]


def call(*words: str, folder: pathlib.Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def export(folder: pathlib.Path, *options: str) -> pathlib.Path:
    path = folder / "experiment.json"
    words = ["export", "--chaostoolkit", str(TRAINER), "--output", str(path), *options]
    done = call(*CHAOSML, *words, folder=folder)
    assert done.returncode == 0, done.stderr
    return path


def judge(folder: pathlib.Path) -> tuple[int, dict[str, Any]]:
    done = call(*CHAOSML, "judge", "journal.json", "--output", "json", folder=folder)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


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


def python(module: str, func: str, **arguments: object) -> dict[str, Any]:
    module = f"chaosml.chaostoolkit.{module}"
    return {"type": "python", "module": module, "func": func, "arguments": arguments}


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


def test_an_action_that_raises_is_no_success_although_the_method_went_on(
    tmp_path: pathlib.Path,
) -> None:
    path = export(tmp_path)
    done = call(*CHAOS, "run", path.name, folder=tmp_path, CHAOSML_SCENARIO="none.yaml")
    assert done.returncode == 1
    code, judged = judge(tmp_path)
    assert (code, judged["status"]) == (3, "UNKNOWN")
    assert "action-failed" in [doubt["cause"] for doubt in judged["doubts"]]


def test_an_unmet_gate_is_no_success(tmp_path: pathlib.Path) -> None:
    path = export(tmp_path)
    call(*CHAOS, "run", "--hypothesis-strategy", "default", path.name, folder=tmp_path)
    code, judged = judge(tmp_path)
    assert (code, "gate-not-met") == (3, judged["doubts"][-1]["cause"])


def test_a_signal_ends_the_run_in_order_and_proves_nothing(tmp_path: pathlib.Path) -> None:
    path = export(tmp_path, "--set", "pipeline.parameters.pace-ms=200")
    with subprocess.Popen(
        [*CHAOS, "run", path.name], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        deadline = clock.Deadline("first execution of the run", 60.0)
        begun = clock.wait_until(
            lambda: bool([*tmp_path.glob("reports/*/*/controls/1/history.jsonl")]), deadline
        )
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert begun
    code, judged = judge(tmp_path)
    assert (code, judged["status"]) == (3, "UNKNOWN")
    assert not [*tmp_path.glob("reports/*/*/owner.json")]


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


FAULTS: dict[str, tuple[str, dict[str, Any], str | None]] = {
    "kills": ("kills", {"arguments": {"pid": "{pid}"}, "kills": True}, None),
    "raises": ("raises", {}, "command-failed"),
    "hangs": ("hangs", {}, "command-timeout"),
    "vanishes": ("vanishes", {}, "command-nonsense"),
    "nonsense": ("well", {"receipt": {"func": "nonsense"}}, "receipt-failed"),
}


def test_actions_of_extensions_are_faults_and_their_traps_reach_no_verdict(
    tmp_path: pathlib.Path,
) -> None:
    (tmp_path / "extension.py").write_bytes(EXTENSION.read_bytes())
    whole = yaml.safe_load(TRAINER.read_text())
    whole["pipeline"]["workflow"] = str(TRAINER.parent / "pipelines" / "trainer.yaml")
    place = {"inject": "chaostoolkit", "target": {"task": "train"}, "when": {"step": 25}}
    met = {"module": "extension", "func": "value", "arguments": {"of": 3}, "tolerance": [1, 5]}
    whole["faults"] = [
        {
            "name": name,
            **place,
            "with": {
                "module": "extension",
                "func": func,
                "timeout": "3s",
                "within": "1s",
                **more,
                "receipt": {**met, **more.get("receipt", {})},
            },
        }
        for name, (func, more, _) in FAULTS.items()
    ]
    whole["faults"][4]["with"]["receipt"]["arguments"] = {}
    path = tmp_path / "scenario.yaml"
    path.write_text(yaml.safe_dump(whole))
    done = call(*CHAOSML, "run", str(path), "-q", "--output", "json", folder=tmp_path)
    assert done.returncode == 3, done.stderr
    trials = [one for one in json.loads(done.stdout)["executions"] if one["case"]]
    found = {one["case"]: one["receipts"][0]["why_invalid"] for one in trials}
    assert found == {name: why for name, (_, _, why) in FAULTS.items()}
