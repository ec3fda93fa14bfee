"""A store and a network that break requests off on a real cluster, as the gate and Toxiproxy do."""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest
import yaml

from chaosml.substrates.kubernetes.api import KubernetesApi, path_of
from chaosml.substrates.kubernetes.namespace import WORKFLOWS

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(shutil.which("kind") is None, reason="kind is not installed"),
]

NAMESPACE = "broken-services"
SCENARIOS = pathlib.Path(__file__).parents[2] / "scenarios"
RUN_S = 1000

SHOWN = {
    "mid-upload": ("requests met it", "cut off"),
    "silent": ("canary during: silent",),
    "gone": ("canary during: refused",),
    "unanswered": ("stored, and its answer cut off",),
    "late": ("answered 200 with an error",),
    "cut-while-training": ("canary during: silent",),
    "resetting": ("reset_peer toxic", "canary during: "),
}


@pytest.fixture(scope="module")
def api() -> Iterator[KubernetesApi]:
    from chaosml.cluster.life import borrowed
    from chaosml.cluster.options import ClusterOptions

    with borrowed(ClusterOptions(namespace=NAMESPACE)) as info:
        api = KubernetesApi(info.context)
        try:
            yield api
        finally:
            api.delete(path_of("namespaces", name=NAMESPACE))
            bindings = path_of("clusterrolebindings", group="rbac.authorization.k8s.io/v1")
            api.delete(f"{bindings}/chaosml-janitor-{NAMESPACE}")


@pytest.mark.parametrize(
    ("scenario", "trials"),
    # An execution takes more than a minute here; what is left out differs by a toxic alone.
    [("storage-faults", 5), ("network-faults", 2)],
)
def test_every_fault_is_borne_and_its_receipt_is_there(
    api: KubernetesApi, tmp_path: pathlib.Path, scenario: str, trials: int
) -> None:
    file = SCENARIOS / f"{scenario}.yaml"
    command = [sys.executable, "-m", "chaosml", "run", str(file), "--on", "kind"]
    command += ["--namespace", NAMESPACE, "--reports", str(tmp_path), "--set", "controls=1"]
    command += ["--trials", str(trials)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_S, check=False)
    (found,) = tmp_path.glob("*/2*/verdict.json")
    verdict = json.loads(found.read_text())
    struck = [one for one in verdict["executions"] if one["execution"].startswith("trial/")]
    there = {one["name"] for one in yaml.safe_load(file.read_text())["faults"]}
    dealt = {one["case"] for one in struck}
    assert dealt <= there
    assert len(dealt) == len(struck) == trials
    for trial in struck:
        (receipt,) = trial["receipts"]
        assert receipt["took_effect"], (receipt, done.stderr)
        said = " | ".join(one["says"] for one in receipt["evidence"])
        for words in SHOWN[trial["case"]]:
            assert words in said
        assert trial["phase"] == "Succeeded"
    failed = [one for one in verdict["verdicts"] if one["status"] == "FAIL"]
    assert not failed, failed
    for resource, group in (("workflows", WORKFLOWS), ("pods", "v1")):
        path = path_of(resource, namespace=NAMESPACE, group=group)
        assert api.get(path, labelSelector="chaosml.dev/run")["items"] == [], resource
