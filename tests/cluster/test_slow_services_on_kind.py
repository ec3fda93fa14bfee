"""A store that is throttled on a real cluster, through the official Toxiproxy image."""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from chaosml.substrates.kubernetes.api import KubernetesApi, path_of
from chaosml.substrates.kubernetes.namespace import WORKFLOWS

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(600),
    pytest.mark.skipif(shutil.which("kind") is None, reason="kind is not installed"),
]

NAMESPACE = "slow-services"
SCENARIO = pathlib.Path(__file__).parents[2] / "scenarios" / "storage-throttle.yaml"
RUN_S = 480


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


def test_a_throttled_store_is_outlived_and_its_receipt_is_measured(
    api: KubernetesApi, tmp_path: pathlib.Path
) -> None:
    command = [sys.executable, "-m", "chaosml", "run", str(SCENARIO), "--on", "kind"]
    command += ["--namespace", NAMESPACE, "--reports", str(tmp_path), "--trials", "3"]
    command += ["--set", "controls=1"]
    # How soon the rate is back is for a machine that does nothing else.
    command += ["--set", "expect.throughput-recovery.at-most=60s"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_S, check=False)
    (file,) = tmp_path.glob("*/2*/verdict.json")
    verdict = json.loads(file.read_text())
    trials = [one for one in verdict["executions"] if one["execution"].startswith("trial/")]
    assert {one["case"] for one in trials} == {"late", "slow", "refused"}
    (refused,) = (one for one in trials if one["case"] == "refused")
    (receipt,) = refused["receipts"]
    assert receipt["took_effect"], (receipt, done.stderr)
    assert any("refused with status 503" in one["says"] for one in receipt["evidence"])
    for trial in [one for one in trials if one is not refused]:
        (receipt,) = trial["receipts"]
        assert receipt["took_effect"], (receipt, done.stderr)
        said = " | ".join(one["says"] for one in receipt["evidence"])
        for words in ("canary before", "canary during", "canary after", "requests of train"):
            assert words in said
        assert trial["phase"] == "Succeeded"
        assert trial["measures"]["stall_s"] > 0.3
    failed = [one for one in verdict["verdicts"] if one["status"] == "FAIL"]
    assert not failed, failed
    for resource, group in (("workflows", WORKFLOWS), ("pods", "v1")):
        path = path_of(resource, namespace=NAMESPACE, group=group)
        assert api.get(path, labelSelector="chaosml.dev/run")["items"] == [], resource
