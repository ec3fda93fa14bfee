"""A store and a network in trouble on a real cluster, as the gate and the official Toxiproxy do it.

Argo looks at its workflows every second here instead of every ten: what these faults do does not
depend on how late it looks, and a workflow of six steps takes half of the time.
"""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from own_namespace import own_namespace

from chaosml import clock
from chaosml.cluster.argo.found import CONTROLLER, describe
from chaosml.substrates.kubernetes.api import KubernetesApi, path_of
from chaosml.substrates.kubernetes.namespace import WORKFLOWS

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(shutil.which("kind") is None, reason="kind is not installed"),
]

NAMESPACE = "services"
SCENARIOS = pathlib.Path(__file__).parents[2] / "scenarios"
ARGO = f"/apis/apps/v1/namespaces/argo/deployments/{CONTROLLER}"
LOOKS = "DEFAULT_REQUEUE_TIME"
RUN_S = 1000

CANARIES = ("canary before", "canary during", "canary after")
SHOWN = {
    "storage.latency": (*CANARIES, "requests of train"),
    "storage.bandwidth": (*CANARIES, "requests of train"),
    "storage.throttle": ("refused with status 503",),
    "storage.reset": ("requests met it", "cut off"),
    "storage.stall": ("canary during: silent",),
    "storage.down": ("canary during: refused",),
    "storage.lose-answer": ("stored, and its answer cut off",),
    "storage.late-error": ("answered 200 with an error",),
    "network.bandwidth": CANARIES,
    "network.partition": ("canary during: silent",),
    "network.reset": ("reset_peer toxic", "canary during: "),
}


@pytest.fixture(scope="module")
def api() -> Iterator[KubernetesApi]:
    with own_namespace(NAMESPACE) as api:
        try:
            look_every(api, "1s")
            yield api
        finally:
            look_every(api, None)


def look_every(api: KubernetesApi, period: str | None) -> None:
    """Let Argo look at every workflow so often; None: as it does by itself."""
    deployment = api.get(ARGO)
    for container in deployment["spec"]["template"]["spec"]["containers"]:
        others = [one for one in container.get("env") or () if one["name"] != LOOKS]
        container["env"] = others + ([{"name": LOOKS, "value": period}] if period else [])
    api.replace(ARGO, deployment)
    deadline = clock.Deadline("Argo with other settings", 90.0)
    assert clock.wait_until(lambda: describe(api.get(ARGO)).available, deadline, 0.5)


def run(folder: pathlib.Path, scenario: str, *options: str) -> tuple[dict[str, Any], str]:
    """Run a scenario; return what it came to, and what was printed."""
    file = SCENARIOS / f"{scenario}.yaml"
    command = [sys.executable, "-m", "chaosml", "run", str(file), "--on", "kind"]
    command += ["--namespace", NAMESPACE, "--reports", str(folder), "--set", "controls=1"]
    command += options
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_S, check=False)
    found = list(folder.glob("*/2*/verdict.json"))
    assert len(found) == 1, done.stderr
    return json.loads(found[0].read_text()), done.stderr


@pytest.mark.parametrize(
    ("scenario", "trials", "options"),
    [
        # How soon the rate is back is for a machine that does nothing else.
        ("storage-throttle", 3, ["--set", "expect.throughput-recovery.at-most=60s"]),
        # An execution takes long here; what is left out differs by a toxic alone.
        ("storage-faults", 5, []),
        ("network-faults", 2, []),
    ],
)
def test_every_fault_is_borne_and_its_receipt_is_there(
    api: KubernetesApi, tmp_path: pathlib.Path, scenario: str, trials: int, options: list[str]
) -> None:
    verdict, printed = run(tmp_path, scenario, "--trials", str(trials), *options)
    struck = [one for one in verdict["executions"] if one["execution"].startswith("trial/")]
    document = yaml.safe_load((SCENARIOS / f"{scenario}.yaml").read_text())
    dealt = {one["case"] for one in struck}
    assert dealt <= {one["name"] for one in document["faults"]}
    assert len(dealt) == len(struck) == trials
    kinds = {one["name"]: one["inject"] for one in document["faults"]}
    for trial in struck:
        kind = kinds[trial["case"]]
        (receipt,) = trial["receipts"]
        assert receipt["took_effect"], (receipt, printed)
        said = " | ".join(one["says"] for one in receipt["evidence"])
        for words in SHOWN[kind]:
            assert words in said
        assert trial["phase"] == "Succeeded"
        if kind in ("storage.latency", "storage.bandwidth"):
            assert trial["measures"]["stall_s"] > 0.3
    failed = [one for one in verdict["verdicts"] if one["status"] == "FAIL"]
    assert not failed, failed
    for resource, group in (("workflows", WORKFLOWS), ("pods", "v1")):
        path = path_of(resource, namespace=NAMESPACE, group=group)
        assert api.get(path, labelSelector="chaosml.dev/run")["items"] == [], resource
