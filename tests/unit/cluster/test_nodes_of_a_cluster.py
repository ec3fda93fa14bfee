"""What is done to a kind cluster that is there already."""

import sys

import pytest

from chaosml.cluster import docker, kind, nodes
from chaosml.cluster.inspection import ClusterStatus, Node
from chaosml.cluster.options import ClusterOptions
from chaosml.cluster.program import Outcome
from chaosml.errors import SubstrateError


def test_without_the_kubernetes_client_no_cluster_is_taken_for_a_silent_one(monkeypatch):
    touched = []
    monkeypatch.setitem(sys.modules, "kubernetes.client", None)
    monkeypatch.setattr(kind, "delete", touched.append)
    monkeypatch.setattr(nodes, "inspect", touched.append)
    with pytest.raises(SubstrateError, match=r"pip install 'chaosml\[kubernetes\]'"):
        nodes.ensure_nodes(ClusterOptions(), touched.append)
    assert touched == []


def status(*, ready: bool) -> ClusterStatus:
    node = Node(
        name="w", role="worker", image="i", running=True, registered=True, ready=ready,
        schedulable=True,
    )  # fmt: skip
    return ClusterStatus(name="c", context="kind-c", nodes=(node,), kubernetes="v1.34.4")


@pytest.mark.parametrize(("says", "restarted"), [("inactive", ["w"]), ("active", [])])
def test_a_node_whose_kubelet_was_stopped_is_started_anew(monkeypatch, says, restarted):
    done, asked = [], []
    monkeypatch.setattr(nodes, "refuse_if_used", asked.append)
    monkeypatch.setattr(nodes, "inspect", lambda _: status(ready=True))
    monkeypatch.setattr(docker, "restart", lambda name: done.append(name) or Outcome(0, "", ""))
    answers = {"systemctl": Outcome(3, f"{says}\n", ""), "test": Outcome(0, "", "")}
    monkeypatch.setattr(docker, "in_container", lambda _node, command, *_: answers[command[0]])
    assert nodes._repair(status(ready=False), ClusterOptions(), lambda _: None) is None
    assert done == restarted
    # A living run may keep it silent.
    assert bool(asked) == bool(restarted)
