"""A reclaim whose drain others do: a stand-in for the AWS node termination handler in the cluster.

It behaves as the real one does: one on each node, it asks the instance metadata service (IMDSv2) at
the address in INSTANCE_METADATA_URL for a notice, closes its node and evicts the pods on it.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from one_pod import PIPELINE, WORKFLOW

from chaosml import clock
from chaosml.substrates.kubernetes.api import KubernetesApi
from chaosml.substrates.kubernetes.metadata_address import NAME, PORT
from chaosml.substrates.kubernetes.refusals import ApiError

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

NAMESPACE = "external-drain"
HANDLER = "nth-stand-in"
RUN_S = 420
GROUPS = "/apis/rbac.authorization.k8s.io/v1"
PROGRAM = """
import json, os, ssl, time, urllib.error, urllib.request

metadata = os.environ["INSTANCE_METADATA_URL"]
account = "/var/run/secrets/kubernetes.io/serviceaccount/"
token = open(account + "token").read()
trust = ssl.create_default_context(cafile=account + "ca.crt")
server = "https://" + os.environ["KUBERNETES_SERVICE_HOST"]

def fetch(request, **options):
    with urllib.request.urlopen(request, timeout=2, **options) as response:
        return response.read()

def notice():
    ask = {"X-aws-ec2-metadata-token-ttl-seconds": "3600"}
    url = metadata + "/latest/api/token"
    session = fetch(urllib.request.Request(url, method="PUT", headers=ask)).decode()
    url = metadata + "/latest/meta-data/spot/instance-action"
    headers = {"X-aws-ec2-metadata-token": session}
    return json.loads(fetch(urllib.request.Request(url, headers=headers)))

def call(method, path, body=None, kind="application/json"):
    headers = {"Authorization": "Bearer " + token, "Content-Type": kind}
    # The API server notes the program's name beside what it changes.
    headers["User-Agent"] = "nth-stand-in/1"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server + path, data, headers, method=method)
    return json.loads(fetch(request, context=trust))

def drain(node):
    merge = "application/merge-patch+json"
    call("PATCH", "/api/v1/nodes/" + node, {"spec": {"unschedulable": True}}, merge)
    pods = call("GET", "/api/v1/pods?fieldSelector=spec.nodeName=" + node)["items"]
    for pod in pods:
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        owners = [owner["kind"] for owner in pod["metadata"].get("ownerReferences", ())]
        # In a cluster that is shared with other tests it keeps to its own namespace.
        if "DaemonSet" in owners or namespace != os.environ["NAMESPACE"]:
            continue
        if pod["status"]["phase"] != "Running":
            continue
        print("evicting", name, flush=True)
        call("POST", f"/api/v1/namespaces/{namespace}/pods/{name}/eviction", {
            "apiVersion": "policy/v1", "kind": "Eviction",
            "metadata": {"name": name, "namespace": namespace}})

while True:
    try:
        print("notice", notice(), flush=True)
        drain(os.environ["NODE_NAME"])
        time.sleep(60)
    except (OSError, urllib.error.URLError):
        pass
    time.sleep(2)
"""


def handler(namespace: str) -> dict[str, Any]:
    """Return the DaemonSet of the stand-in."""
    labels = {"app": HANDLER}
    address = f"http://{NAME}.{namespace}:{PORT}/nodes/$(NODE_NAME)"
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": HANDLER, "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "serviceAccountName": HANDLER,
                    "terminationGracePeriodSeconds": 0,
                    "containers": [
                        {
                            "name": "handler",
                            "image": "python:3.11-slim",
                            "command": ["python", "-u", "-c", PROGRAM],
                            "env": [
                                {
                                    "name": "NODE_NAME",
                                    "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}},
                                },
                                {"name": "NAMESPACE", "value": namespace},
                                {"name": "INSTANCE_METADATA_URL", "value": address},
                            ],
                        }
                    ],
                },
            },
        },
    }


@pytest.fixture
def api() -> Iterator[KubernetesApi]:
    """A cluster with the stand-in on every worker, from which it goes again."""
    from chaosml.cluster.life import borrowed
    from chaosml.cluster.options import ClusterOptions

    with borrowed(ClusterOptions(namespace=NAMESPACE)) as info:
        api = KubernetesApi(info.context)
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": HANDLER}
        who = {"kind": "ServiceAccount", "name": HANDLER, "namespace": NAMESPACE}
        rules = [
            {"apiGroups": [""], "resources": ["nodes"], "verbs": ["patch"]},
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
            {"apiGroups": [""], "resources": ["pods/eviction"], "verbs": ["create"]},
        ]
        name = {"name": HANDLER}
        things: list[tuple[str, dict[str, Any]]] = [
            (f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", {"metadata": name}),
            (f"{GROUPS}/clusterroles", {"metadata": name, "rules": rules}),
            (
                f"{GROUPS}/clusterrolebindings",
                {"metadata": name, "roleRef": role, "subjects": [who]},
            ),
            (f"/apis/apps/v1/namespaces/{NAMESPACE}/daemonsets", handler(NAMESPACE)),
        ]
        try:
            for path, thing in things:
                api.create(path, thing)
            yield api
        finally:
            for path, _ in reversed(things):
                with contextlib.suppress(ApiError):
                    api.delete(f"{path}/{HANDLER}")


def scenario(folder: pathlib.Path) -> pathlib.Path:
    """Return a scenario with one fault, in which the drain is left to others."""
    fault = """
  # One slow step for another is enough for the training to be there when the handler comes.
  parameters: {pace-ms: "100"}
faults:
  - name: handled
    inject: spot.reclaim
    target: {task: train}
    when: {step: {between: [40, 60]}, settled: true}
    with: {provider: aws, notice: 60s, reaction: external, kill: false}
    views: [gone]
controls: 1
trials: 1
seed: 7
deadline: 6m
expect: {outcome: Succeeded, resume: auto, corruption: none}
"""
    (folder / "workflow.yaml").write_text(WORKFLOW)
    path = folder / "handled.yaml"
    path.write_text(PIPELINE.rstrip() + fault)
    return path


def test_a_handler_of_the_cluster_drains_the_node_and_the_receipt_names_it(
    api: KubernetesApi, tmp_path: pathlib.Path
) -> None:
    ready = clock.Deadline("the handlers", 60.0)
    status = f"/apis/apps/v1/namespaces/{NAMESPACE}/daemonsets/{HANDLER}"
    assert clock.wait_until(
        lambda: api.get(status)["status"].get("numberReady", 0) >= 2, ready, 0.5
    )
    command = [sys.executable, "-m", "chaosml", "run", str(scenario(tmp_path)), "--on", "kind"]
    command += ["--namespace", NAMESPACE, "--reports", str(tmp_path / "reports")]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=RUN_S, check=False, env=dict(os.environ)
    )
    (file,) = (tmp_path / "reports").glob("*/2*/verdict.json")
    verdict = json.loads(file.read_text())
    (trial,) = [one for one in verdict["executions"] if one["execution"] == "trial/1"]
    (receipt,) = trial["receipts"]
    assert receipt["took_effect"], (receipt, done.stderr)
    said = [one["says"] for one in receipt["evidence"]]
    assert any(one.startswith("node chaosml-worker") and one.endswith(HANDLER) for one in said), (
        said
    )
    assert any(one.startswith("notice readable on") for one in said)
    assert trial["phase"] == "Succeeded"
    failed = [one for one in verdict["verdicts"] if one["status"] == "FAIL"]
    assert not failed, failed
    for node in api.get("/api/v1/nodes")["items"]:
        assert not node["spec"].get("unschedulable"), node["metadata"]["name"]
        assert "chaosml.dev/cordoned-by" not in node["metadata"].get("annotations", {})
    assert api.get(f"/api/v1/namespaces/{NAMESPACE}/services")["items"] == []
