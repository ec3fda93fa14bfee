"""Placement on the embedded cluster's machines."""

import pytest

from chaosml.substrates.embedded.nodes import HOSTNAME_LABEL, Nodes


def test_pods_go_round_robin_over_the_nodes_that_take_them():
    nodes = Nodes(3)
    nodes.cordon("node-2")
    assert [nodes.place({}) for _ in range(4)] == ["node-1", "node-3", "node-1", "node-3"]
    nodes.uncordon("node-2")
    assert {nodes.place({}) for _ in range(3)} == {"node-1", "node-2", "node-3"}


def test_fresh_capacity_has_a_fresh_name():
    nodes = Nodes(2)
    nodes.remove("node-2")
    assert nodes.add() == "node-3"
    assert nodes.names == ("node-1", "node-3")


def test_a_machine_that_was_stopped_comes_back_under_its_name_and_takes_pods():
    nodes = Nodes(2)
    nodes.cordon("node-2")
    nodes.remove("node-2")
    assert nodes.put_back("node-2")
    assert not nodes.put_back("node-2")
    assert not nodes.put_back("node-9")
    assert set(nodes.names) == {"node-1", "node-2"}
    assert not nodes.is_cordoned("node-2")


@pytest.mark.parametrize(
    ("selector", "node"),
    [({HOSTNAME_LABEL: "node-2"}, "node-2"), ({HOSTNAME_LABEL: "x"}, None), ({"gpu": "a"}, None)],
)
def test_only_the_host_name_can_be_selected(selector, node):
    assert Nodes(2).place(selector) == node


def test_a_pod_gets_none_of_the_nodes_that_it_avoids():
    nodes = Nodes(2)
    assert [nodes.place({}, ("node-1",)) for _ in range(2)] == ["node-2", "node-2"]
    assert nodes.place({}, ("node-1", "node-2")) is None
    assert nodes.explain({}, ("node-1", "node-2")) == (
        "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector."
    )


def test_the_scheduler_says_why_no_node_takes_a_pod():
    nodes = Nodes(3)
    nodes.cordon("node-1")
    nodes.cordon("node-2")
    assert nodes.explain({"gpu": "a"}) == (
        "0/3 nodes are available: 2 node(s) were unschedulable, "
        "1 node(s) didn't match Pod's node affinity/selector."
    )
    assert Nodes(0).place({}) is None
    assert Nodes(0).explain({}) == "0/0 nodes are available: no node is there."
