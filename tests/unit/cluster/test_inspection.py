"""What a kind cluster is seen to consist of, and what follows from it."""

import datetime
from collections import Counter

import msgspec
import pytest
from kubernetes_documents import FakeApi, node

from chaosml import clock
from chaosml.cluster.inspection import (
    MARK,
    ClusterStatus,
    Mark,
    Node,
    holder,
    read_config,
    read_mark,
    read_nodes,
)
from chaosml.cluster.nodes import _conflict
from chaosml.cluster.options import ClusterOptions, checkout_file
from chaosml.errors import SubstrateError, UsageError
from chaosml.store.owner import Process

LEASES = "/apis/coordination.k8s.io/v1/leases"


def container(name, role="worker", *, running=True):
    return Node(name=name, role=role, image="kindest/node:v1.34.4", running=running)


def seen(api_nodes, *containers):
    api = FakeApi({"/api/v1/nodes": {"items": api_nodes}})
    return read_nodes(api, containers)


def test_our_configuration_is_one_control_plane_and_two_workers():
    _, roles = read_config(checkout_file("kind-config.yaml"))
    assert roles == Counter({"control-plane": 1, "worker": 2})


def test_a_comment_does_not_make_another_configuration(tmp_path):
    path = tmp_path / "kind.yaml"
    path.write_text("kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n")
    first, roles = read_config(path)
    path.write_text("# mine\nkind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n")
    assert read_config(path) == (first, roles)
    assert roles == Counter({"control-plane": 1})


@pytest.mark.parametrize("text", ["{", "- a list", "kind: Deployment"])
def test_a_file_that_is_no_configuration_is_refused_by_name(tmp_path, text):
    path = tmp_path / "kind.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"kind\.yaml"):
        read_config(path)


@pytest.mark.parametrize(
    ("api_nodes", "running", "problem"),
    [
        ([node("a")], True, None),
        ([node("a")], False, "node a is stopped"),
        ([], True, "node a is not registered"),
        ([node("a", ready=False)], True, "node a is not ready"),
        ([node("a", unschedulable=True)], True, "node a is closed for new pods"),
    ],
)
def test_a_node_says_the_first_thing_that_is_wrong_with_it(api_nodes, running, problem):
    (found,) = seen(api_nodes, container("a", running=running))
    assert found.problem == problem


def test_a_node_that_only_the_api_knows_has_lost_its_container():
    _, found = seen([node("a"), node("b")], container("a"))
    assert found.problem == "node b has lost its container"


def test_the_mark_is_read_back_and_its_absence_too():
    assert read_mark(FakeApi()) is None
    data = {"config": "c", "node-image": "i"}
    assert read_mark(FakeApi({MARK: {"data": data}})) == Mark("c", "i")


def lease(age_s, holder_identity="run-7", owner=None):
    renewed = clock.utc_now() - datetime.timedelta(seconds=age_s)
    spec = {
        "holderIdentity": holder_identity,
        "leaseDurationSeconds": 60,
        "renewTime": renewed.isoformat(),
    }
    annotations = {"chaosml.dev/owner": msgspec.json.encode(owner).decode()} if owner else {}
    metadata = {"name": "chaosml", "namespace": "runs", "annotations": annotations}
    kubelet = {"metadata": {"name": "node-a", "namespace": "kube-node-lease"}, "spec": spec}
    return FakeApi({LEASES: {"items": [{"metadata": metadata, "spec": spec}, kubelet]}})


def test_a_lease_that_is_renewed_says_who_uses_the_cluster():
    assert holder(lease(5)) == "run-7 (namespace runs)"


def test_a_lease_that_has_expired_or_was_given_back_holds_nothing():
    assert holder(lease(61)) is None
    assert holder(lease(5, holder_identity="")) is None
    assert holder(FakeApi()) is None


def test_a_run_whose_process_on_this_host_is_gone_uses_nothing_any_more():
    here = Process.current()
    assert holder(lease(5, owner=here)) == "run-7 (namespace runs)"
    dead = msgspec.structs.replace(here, started=here.started + 1)
    assert holder(lease(5, owner=dead)) is None


ROLES = Counter({"control-plane": 1, "worker": 2})


def whole(mark, *roles):
    nodes = tuple(container(f"n{index}", role) for index, role in enumerate(roles))
    return ClusterStatus(name="chaosml", context="kind-chaosml", nodes=nodes, mark=mark)


def test_a_marked_cluster_fits_whoever_asks_for_nothing_in_particular():
    found = whole(Mark("other", "kindest/node:v1.31.0"), "control-plane")
    assert _conflict(found, ClusterOptions(), "digest", ROLES) is None


def test_a_named_configuration_or_image_that_differs_replaces_the_cluster(tmp_path):
    path = tmp_path / "kind.yaml"
    path.write_text("kind: Cluster")
    found = whole(Mark("other", "kindest/node:v1.34.4"), "control-plane")
    why = _conflict(found, ClusterOptions(config=path), "digest", ROLES)
    assert why == "it was made from another configuration"
    why = _conflict(found, ClusterOptions(node_image="kindest/node:v1.35.0"), "digest", ROLES)
    assert why == "its node image is kindest/node:v1.34.4, not kindest/node:v1.35.0"


def test_a_cluster_without_our_mark_is_taken_over_if_it_has_the_right_shape():
    found = whole(None, "control-plane", "worker", "worker")
    assert _conflict(found, ClusterOptions(), "digest", ROLES) is None


def test_a_cluster_that_somebody_else_made_is_never_removed():
    found = whole(None, "control-plane")
    with pytest.raises(SubstrateError, match="kind delete cluster --name chaosml"):
        _conflict(found, ClusterOptions(), "digest", ROLES)
