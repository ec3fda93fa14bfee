"""The doctor: what it finds in a cluster, and the remedy it names."""

import pytest
import yaml
from kubernetes_documents import REVIEWS, FakeApi, controller

from chaosml.cluster import diagnosis, permissions
from chaosml.cluster.diagnosis import State
from chaosml.errors import SubstrateError

NAMESPACE = "/api/v1/namespaces/runs"
ACCOUNT = f"{NAMESPACE}/serviceaccounts/chaosml-janitor"
GROUP = "/apis/argoproj.io/v1alpha1"


def healthy(**options):
    opened = {"metadata": {"labels": {"chaosml.dev/enabled": "true"}}}
    documents = {"/version": {"gitVersion": "v1.34.4"}, GROUP: {}, NAMESPACE: opened, ACCOUNT: {}}
    api = FakeApi(documents, **options)
    api.install(controller())
    return api


def examine(api, faults=("pod.delete",)):
    rules = permissions.needed(faults)
    checks = list(diagnosis._cluster(lambda: api, "runs", rules))
    return {check.subject: check for check in checks}


def test_a_healthy_cluster_lacks_nothing_and_its_argo_is_described():
    checks = examine(healthy())
    assert {check.state for check in checks.values()} == {State.OK}
    assert checks["Argo Workflows"].found == "v3.6.2 in namespace argo"
    assert checks["Argo executor"].found == "quay.io/argoproj/argoexec:v3.6.2"
    assert checks["Argo pod finalizer"].found.startswith("off")


def test_a_cluster_that_does_not_answer_is_one_finding():
    def connection():
        raise SubstrateError("context staging: the API does not answer")

    (check,) = diagnosis._cluster(connection, "runs", permissions.needed([]))
    assert check.state is State.MISSING
    assert "does not answer" in check.found


def test_credentials_that_are_not_accepted_are_one_finding():
    checks = examine(healthy(statuses={"/version": 401}))
    assert list(checks) == ["API"]
    assert checks["API"].remedy == "log in to the cluster again"


def test_no_argo_is_missing_with_the_way_to_it():
    api = healthy()
    del api.documents[GROUP]
    check = examine(api)["Argo Workflows"]
    assert check.state is State.MISSING
    assert "chaosml cluster up" in check.remedy


@pytest.mark.parametrize(
    ("replicas", "remedy"),
    [(0, "scale deployment/workflow-controller --replicas=1"), (1, "describe pods")],
)
def test_a_controller_that_is_down_is_missing(replicas, remedy):
    api, deployment = healthy(), controller()
    deployment["spec"]["replicas"] = replicas
    deployment["status"] = {}
    api.install(deployment)
    check = examine(api)["Argo Workflows"]
    assert check.state is State.MISSING
    assert remedy in check.remedy


def test_an_argo_that_is_too_old_is_missing():
    api = healthy()
    api.install(controller(image="quay.io/argoproj/workflow-controller:v3.5.15"))
    check = examine(api)["Argo Workflows"]
    assert (check.state, check.remedy) == (State.MISSING, "install v3.6 or newer")


def test_a_namespace_without_the_label_is_missing_with_the_command():
    api = healthy()
    api.documents[NAMESPACE] = {"metadata": {}}
    check = examine(api)["namespace runs"]
    assert check.state is State.MISSING
    assert check.remedy == "kubectl label namespace runs chaosml.dev/enabled=true"


def test_a_namespace_that_does_not_exist_is_created_by_the_remedy():
    api = healthy()
    del api.documents[NAMESPACE]
    assert "kubectl create namespace runs" in examine(api)["namespace runs"].remedy


def test_missing_permissions_are_listed_with_the_smallest_role():
    api = healthy(refused={("patch", "nodes")})
    assert examine(api)["permissions"].state is State.OK
    check = examine(api, ["node.drain"])["permissions"]
    assert check.state is State.MISSING
    assert check.found == "you may not patch nodes"
    assert "kind: ClusterRole" in check.document


def test_an_api_that_does_not_say_what_is_allowed_is_no_traceback():
    check = examine(healthy(statuses={REVIEWS: 500}))["API"]
    assert check.state is State.MISSING
    assert "permissions cannot be asked for" in check.found


@pytest.mark.parametrize(("fault", "everywhere"), [("pod.delete", False), ("node.drain", True)])
def test_a_missing_janitor_is_worth_knowing_and_its_smallest_rights_are_printed(fault, everywhere):
    api = healthy()
    del api.documents[ACCOUNT]
    check = examine(api, [fault])["janitor"]
    assert check.state is State.NOTE
    documents = list(yaml.safe_load_all(check.document))
    kinds = {document["kind"] for document in documents}
    assert ("ClusterRole" in kinds) is everywhere
    (role,) = [document for document in documents if document["kind"] == "Role"]
    assert role["metadata"] == {"name": "chaosml-janitor", "namespace": "runs"}
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {
        "delete",
        "get",
        "list",
        "update",
    }


def test_whether_there_is_a_janitor_may_be_nobodys_to_know():
    check = examine(healthy(statuses={ACCOUNT: 403}))["janitor"]
    assert check.state is State.NOTE
    assert check.document == ""
