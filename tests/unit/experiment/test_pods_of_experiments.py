"""Pods of a task in a cluster, found and removed without a run of ours."""

from __future__ import annotations

import pytest

from chaosml.errors import SubstrateError
from chaosml.experiment import pods
from chaosml.substrates.kubernetes.api import path_of
from chaosml.substrates.kubernetes.imagined import ImaginedCluster
from chaosml.substrates.kubernetes.namespace import WORKFLOWS
from chaosml.substrates.kubernetes.refusals import ApiError

LABELS = {"workflows.argoproj.io/workflow": "spot-x"}


@pytest.fixture
def cluster() -> ImaginedCluster:
    """A cluster with a workflow whose tasks run."""
    cluster = ImaginedCluster("ml")
    cluster.tasks = ("prepare", "train")
    cluster.create(
        path_of("workflows", namespace="ml", group=WORKFLOWS),
        {"metadata": {"name": "spot-x"}, "spec": {"podMetadata": {"labels": LABELS}}},
    )
    return cluster


def test_a_pod_is_found_by_its_task(cluster: ImaginedCluster) -> None:
    (found,) = pods.find(cluster, "ml", "spot-x", "train")
    assert (found.task, found.attempt) == ("train", 0)
    assert pods.find(cluster, "ml", "spot-y", "train") == []


def test_a_deleted_pod_is_named_and_its_neighbours_stay(cluster: ImaginedCluster) -> None:
    told = pods.delete(cluster, "ml", "spot-x", "train", grace_s=0)
    assert (told["task"], told["attempt"]) == ("train", 0)
    assert pods.find(cluster, "ml", "spot-x", "train") == []
    assert len(pods.find(cluster, "ml", "spot-x", "prepare")) == 1


def test_a_pod_is_evicted(cluster: ImaginedCluster) -> None:
    assert pods.evict(cluster, "ml", "spot-x", "train")["task"] == "train"
    assert pods.find(cluster, "ml", "spot-x", "train") == []


def test_an_eviction_that_a_budget_refuses_is_a_failure(
    cluster: ImaginedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str, body: object) -> None:
        raise ApiError(429, "TooManyRequests", "the budget keep does not allow it")

    monkeypatch.setattr(cluster, "create", refuse)
    with pytest.raises(SubstrateError, match="PodDisruptionBudget"):
        pods.evict(cluster, "ml", "spot-x", "train")


def test_without_a_running_pod_nothing_is_struck(cluster: ImaginedCluster) -> None:
    with pytest.raises(SubstrateError, match="no pod of task 'evaluate'"):
        pods.delete(cluster, "ml", "spot-x", "evaluate")


def test_a_namespace_that_is_not_set_free_is_left_alone(cluster: ImaginedCluster) -> None:
    cluster.patch(path_of("namespaces", name="ml"), {"metadata": {"labels": {}}})
    namespace = cluster.get(path_of("namespaces", name="ml"))
    namespace["metadata"]["labels"] = {}
    cluster.replace(path_of("namespaces", name="ml"), namespace)
    with pytest.raises(SubstrateError, match=r"chaosml\.dev/enabled"):
        pods.delete(cluster, "ml", "spot-x", "train")
    assert len(pods.find(cluster, "ml", "spot-x", "train")) == 1
