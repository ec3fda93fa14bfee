"""What is done to a kind cluster that is there already."""

import sys

import pytest

from chaosml.cluster import kind, nodes
from chaosml.cluster.options import ClusterOptions
from chaosml.errors import SubstrateError


def test_without_the_kubernetes_client_no_cluster_is_taken_for_a_silent_one(monkeypatch):
    touched = []
    monkeypatch.setitem(sys.modules, "kubernetes.client", None)
    monkeypatch.setattr(kind, "delete", touched.append)
    monkeypatch.setattr(nodes, "inspect", touched.append)
    with pytest.raises(SubstrateError, match=r"pip install 'chaosml\[kubernetes\]'"):
        nodes.ensure_nodes(ClusterOptions(), touched.append)
    assert touched == []
