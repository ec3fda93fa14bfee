"""What a run and its faults may do, and the Role that grants it."""

import pytest
import yaml
from kubernetes_documents import FakeApi

from chaosml.cluster import permissions
from chaosml.cluster.permissions import Rule
from chaosml.errors import UsageError


def rule(rules, resource):
    return next((found for found in rules if found.resource == resource), None)


def test_a_run_without_faults_may_close_no_node_and_evict_no_pod():
    rules = permissions.needed([])
    assert rule(rules, "nodes").verbs == ("get", "list", "watch")
    assert rule(rules, "pods/eviction") is None


def test_a_fault_adds_its_own_verbs_to_those_of_the_run():
    rules = permissions.needed(["node.drain"])
    assert rule(rules, "nodes").verbs == ("get", "list", "patch", "watch")
    assert rule(rules, "pods/eviction").verbs == ("create",)
    # Others' pods are only listed, to see who uses a node.
    assert [found.verbs for found in rules if found.everywhere and found.resource == "pods"] == [
        ("list",)
    ]
    places = {(found.group, found.resource, found.everywhere) for found in rules}
    assert len(places) == len(rules)


def test_faults_of_the_services_need_nothing_of_the_cluster():
    assert permissions.needed(["storage.latency", "network.latency"]) == permissions.needed([])


def test_an_unknown_fault_is_refused_with_those_there_are():
    with pytest.raises(UsageError, match=r"'pod\.explode'; there are pod\.delete, pod\.evict"):
        permissions.needed(["pod.explode"])


def test_only_the_verbs_that_are_refused_are_missing():
    api = FakeApi(refused={("delete", "pods"), ("create", "pods/eviction")})
    refused = permissions.missing(api, "runs", permissions.needed(["pod.evict"]))
    assert refused == (
        Rule("", "pods", ("delete",)),
        Rule("", "pods/eviction", ("create",)),
    )


def test_the_role_grants_the_rules_and_no_more_nodes_apart():
    rules = permissions.needed(["pod.delete", "node.drain"])
    local, everywhere = yaml.safe_load_all(permissions.role_yaml(rules, "runs"))
    assert local["kind"] == "Role"
    assert local["metadata"] == {"name": "chaosml", "namespace": "runs"}
    assert everywhere["kind"] == "ClusterRole"
    assert [granted["resources"] for granted in everywhere["rules"]] == [["nodes"], ["pods"]]
    granted = {
        (granted["apiGroups"][0], granted["resources"][0], tuple(granted["verbs"]))
        for granted in local["rules"] + everywhere["rules"]
    }
    assert granted == {(found.group, found.resource, found.verbs) for found in rules}


def test_a_role_without_nodes_is_one_document():
    text = permissions.role_yaml([Rule("", "pods", ("get",))], "runs")
    assert [document["kind"] for document in yaml.safe_load_all(text)] == ["Role"]
