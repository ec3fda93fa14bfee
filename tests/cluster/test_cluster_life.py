"""A kind cluster's life, for real: made, used, broken, repaired, replaced, removed.

The tests share one cluster of two nodes and go from a fresh one to none, so each says
in its name what it finds. Whatever happens, the cluster is removed at the end.
"""

import contextlib
import datetime
import subprocess

import pytest

from chaosml import clock, cluster
from chaosml.cluster import docker, kind
from chaosml.cluster.api import connect_kind
from chaosml.cluster.diagnosis import State, doctor
from chaosml.cluster.options import NODE_IMAGE, REFERENCE_IMAGE
from chaosml.errors import SubstrateError

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

NAME = "chaosml-life"
NAMESPACE = "runs"
WORKER = f"{NAME}-worker"
CONFIG = """\
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes: [{role: control-plane}, {role: worker}]
"""
OTHER_CONTEXT = """\
apiVersion: v1
kind: Config
current-context: production
contexts: [{name: production, context: {cluster: production, user: me}}]
clusters: [{name: production, cluster: {server: "https://203.0.113.1"}}]
users: [{name: me, user: {}}]
"""
REUSE_S = 20.0


@pytest.fixture(scope="module", autouse=True)
def kubeconfig(tmp_path_factory):
    path = tmp_path_factory.mktemp("kube") / "config"
    path.write_text(OTHER_CONTEXT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(path))
        try:
            yield path
        finally:
            cluster.down(NAME, force=True)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("kind") / "two-nodes.yaml"
    path.write_text(CONFIG)
    return path


def up(config, told=None, **options):
    tell = (lambda _: None) if told is None else told.append
    chosen = cluster.ClusterOptions(name=NAME, namespace=NAMESPACE, config=config, **options)
    return cluster.up(chosen, tell)


def api():
    return connect_kind(NAME)


def run_one_step():
    """Run a workflow of one step with our own image; return its phase."""
    body = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"generateName": "one-"},
        "spec": {
            "entrypoint": "say",
            "templates": [
                {
                    "name": "say",
                    "container": {"image": REFERENCE_IMAGE, "command": ["chaosml", "version"]},
                }
            ],
        },
    }
    workflows = f"/apis/argoproj.io/v1alpha1/namespaces/{NAMESPACE}/workflows"
    path = f"{workflows}/{api().create(workflows, body)['metadata']['name']}"
    connection = api()

    def phase():
        return connection.get(path).get("status", {}).get("phase")

    deadline = clock.Deadline("a workflow of one step", 90)
    clock.wait_until(lambda: phase() in {"Succeeded", "Failed", "Error"}, deadline, 0.5)
    return phase()


def test_a_fresh_cluster_runs_a_workflow(config, kubeconfig):
    told = []
    info = up(config, told)
    assert info.created
    assert info.nodes == (f"{NAME}-control-plane", WORKER)
    assert info.argo.available
    assert not info.argo.finalizer
    assert any("making cluster" in line for line in told)
    assert any("Joining worker nodes" in line for line in told)
    assert cluster.status(NAME).ready
    assert run_one_step() == "Succeeded"


def test_the_users_current_context_stays_and_ours_is_there(kubeconfig):
    assert "current-context: production\n" in kubeconfig.read_text()
    assert f"name: kind-{NAME}\n" in kubeconfig.read_text()


def test_a_cluster_that_is_ready_is_found_so_within_seconds(config):
    told = []
    begun = clock.monotonic_ns()
    info = up(config, told)
    # A change of the source in the meantime would have the image built again.
    assert not [line for line in told if "image" not in line and not line.startswith("  ")]
    assert not info.created
    if not told:
        assert (clock.monotonic_ns() - begun) / 1e9 < REUSE_S


def test_the_doctor_finds_nothing_missing_in_it():
    checks = doctor(f"kind-{NAME}", NAMESPACE)
    assert [check for check in checks if check.state is State.MISSING] == []
    assert {"Argo Workflows", "Argo executor", "permissions"} <= {check.subject for check in checks}


def test_the_older_argo_line_is_installed_in_its_place_and_stays_until_another_is_named(config):
    setting = {"ARGO_POD_STATUS_CAPTURE_FINALIZER": "true"}
    info = up(config, argo_version="v3.7.18", argo_environment=setting)
    assert info.argo.version == "v3.7.18"
    assert info.argo.finalizer
    assert info.argo.executor_image == "quay.io/argoproj/argoexec:v3.7.18"
    assert run_one_step() == "Succeeded"
    assert up(config).argo.version == "v3.7.18"
    info = up(config, argo_version="v4.0.5")
    assert (info.argo.version, info.argo.finalizer) == ("v4.0.5", False)


def test_a_stopped_node_a_closed_one_and_a_controller_scaled_to_zero_are_repaired(config):
    subprocess.run(["docker", "kill", WORKER], check=True, capture_output=True)
    api().ask("delete", f"/api/v1/nodes/{WORKER}")
    merge = "application/merge-patch+json"
    closed = {"spec": {"unschedulable": True}}
    api().ask("patch", f"/api/v1/nodes/{NAME}-control-plane", closed, content_type=merge)
    controller = "/apis/apps/v1/namespaces/argo/deployments/workflow-controller"
    api().ask("patch", controller, {"spec": {"replicas": 0}}, content_type=merge)

    problems = cluster.status(NAME).problems
    assert f"node {WORKER} is stopped" in problems
    assert f"node {NAME}-control-plane is closed for new pods" in problems
    assert "Argo Workflows v4.0.5 is not available" in problems
    assert not up(config).created
    assert cluster.status(NAME).ready


@contextlib.contextmanager
def held_lease():
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {"holderIdentity": "run-7", "leaseDurationSeconds": 300, "renewTime": now}
    api().create(
        leases,
        {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": "chaosml"},
            "spec": spec,
        },
    )
    try:
        yield
    finally:
        api().ask("delete", f"{leases}/chaosml")


def test_a_cluster_that_a_run_uses_is_neither_repaired_nor_removed(config):
    with held_lease():
        assert not up(config).created
        with pytest.raises(SubstrateError, match="is used by run-7"):
            up(config, argo_version="v3.7.18")
        subprocess.run(["docker", "stop", "-t", "0", WORKER], check=True, capture_output=True)
        with pytest.raises(SubstrateError, match="is used by run-7"):
            up(config)
        with pytest.raises(SubstrateError, match="is used by run-7"):
            cluster.down(NAME)
    assert not up(config).created


def test_an_image_that_cannot_be_pulled_is_named(config):
    with pytest.raises(SubstrateError, match=r"image registry\.invalid/none:1 cannot be pulled"):
        up(config, toxiproxy_image="registry.invalid/none:1")


def test_a_cluster_that_lost_a_node_is_replaced(config):
    subprocess.run(
        ["docker", "rm", "--force", "--volumes", WORKER], check=True, capture_output=True
    )
    assert f"node {WORKER} has lost its container" in cluster.status(NAME).problems
    told = []
    assert up(config, told).created
    assert f"replacing cluster {NAME}: node {WORKER} has lost its container" in told


def both_nodes_run():
    return [container.running for container in docker.cluster_containers(NAME)] == [True, True]


def test_a_cluster_whose_making_was_killed_is_replaced(config):
    cluster.down(NAME)
    assert docker.cluster_containers(NAME) == ()
    arguments = ["kind", "create", "cluster", "--name", NAME, "--config", str(config)]
    with subprocess.Popen([*arguments, "--image", NODE_IMAGE], stderr=subprocess.DEVNULL) as making:
        deadline = clock.Deadline("the nodes' containers running", 60)
        assert clock.wait_until(both_nodes_run, deadline, 0.2)
        making.kill()
    assert not cluster.status(NAME).ready
    told = []
    assert up(config, told).created
    assert any("never joined it" in line for line in told)
    assert cluster.status(NAME).ready


def test_down_leaves_nothing_and_is_content_with_nothing(kubeconfig):
    assert cluster.down(NAME)
    assert not cluster.down(NAME)
    assert not cluster.status(NAME).exists
    assert docker.cluster_containers(NAME) == ()
    assert kind.context(NAME) not in kubeconfig.read_text()
    assert "current-context: production\n" in kubeconfig.read_text()


def test_a_borrowed_cluster_is_given_back_also_after_a_failure(config):
    options = cluster.ClusterOptions(
        name=NAME, namespace=NAMESPACE, config=config, toxiproxy_image="registry.invalid/none:1"
    )
    with pytest.raises(SubstrateError, match="cannot be pulled"), cluster.borrowed(options):
        pytest.fail("the image cannot be had")
    assert docker.cluster_containers(NAME) == ()
