"""Argo's manifest filled in, and a controller read back."""

import pytest
import yaml
from kubernetes_documents import FakeApi, controller

from chaosml.cluster import argo
from chaosml.cluster.argo.found import CONTROLLER, MANIFEST_ANNOTATION, describe
from chaosml.cluster.options import ClusterOptions
from chaosml.errors import SubstrateError, UsageError


def deployment_of(documents):
    return next(document for document in documents if document["kind"] == "Deployment")


def container_of(documents):
    return deployment_of(documents)["spec"]["template"]["spec"]["containers"][0]


def ignore(_):
    """Take progress."""


def test_the_manifest_holds_the_default_version_and_every_resource_of_argo():
    documents = argo.render(ClusterOptions())
    assert argo.images(documents) == (
        "quay.io/argoproj/workflow-controller:v4.0.5",
        "quay.io/argoproj/argoexec:v4.0.5",
    )
    definitions = {
        document["spec"]["names"]["plural"]
        for document in documents
        if document["kind"] == "CustomResourceDefinition"
    }
    assert {"workflows", "workflowtemplates", "workflowtaskresults"} <= definitions


def test_no_resource_drops_what_the_controller_writes_into_it():
    for document in argo.render(ClusterOptions()):
        if document["kind"] != "CustomResourceDefinition":
            continue
        (version,) = document["spec"]["versions"]
        schema = version["schema"]["openAPIV3Schema"]
        keeps = "x-kubernetes-preserve-unknown-fields"
        parts = [part for name, part in schema["properties"].items() if name in ("spec", "status")]
        assert schema.get(keeps) or (parts and all(part[keeps] for part in parts))


def test_versions_images_and_settings_are_filled_in():
    documents = argo.render(
        ClusterOptions(
            argo_version="v3.7.18",
            argo_executor_image="mirror.example.com/argoexec:v3.7.18",
            argo_environment={"ARGO_POD_STATUS_CAPTURE_FINALIZER": "true"},
        )
    )
    found = describe(deployment_of(documents))
    assert found.version == "v3.7.18"
    assert found.executor_image == "mirror.example.com/argoexec:v3.7.18"
    assert found.finalizer
    named = [variable["name"] for variable in container_of(documents)["env"]]
    assert named == ["LEADER_ELECTION_IDENTITY", "ARGO_POD_STATUS_CAPTURE_FINALIZER"]


def test_the_same_options_give_the_same_digest_and_others_another():
    def digest(**options):
        return describe(deployment_of(argo.render(ClusterOptions(**options)))).manifest

    assert digest() == digest()
    assert digest() == digest(argo_version="v4.0.5")
    assert digest() != digest(argo_version="v3.7.18")
    assert digest() != digest(argo_environment={"DEFAULT_REQUEUE_TIME": "1s"})


def test_a_users_manifest_keeps_its_own_image(tmp_path):
    path = tmp_path / "argo.yaml"
    mine = {"apiVersion": "apps/v1", "kind": "Deployment", **controller()}
    path.write_text(yaml.safe_dump(mine))
    documents = argo.render(ClusterOptions(argo_manifest=path))
    assert container_of(documents)["image"] == "quay.io/argoproj/workflow-controller:v3.6.2"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "is not YAML"),
        ("just words", "no Kubernetes document"),
        (
            "{apiVersion: v1, kind: Namespace, metadata: {name: argo}}",
            f"no Deployment '{CONTROLLER}",
        ),
    ],
)
def test_a_file_that_is_no_manifest_of_argo_is_refused(tmp_path, text, says):
    path = tmp_path / "argo.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=says):
        argo.render(ClusterOptions(argo_manifest=path))


@pytest.mark.parametrize(
    ("changes", "image"),
    [
        ({}, "quay.io/argoproj/argoexec:v3.6.2"),
        ({"args": ["--executor-image", "mine:1"]}, "mine:1"),
        ({"args": ["--loglevel", "debug", "--executor-image=mine:2"]}, "mine:2"),
        ({"command": ["workflow-controller", "--executor-image=mine:3"]}, "mine:3"),
    ],
)
def test_the_executor_is_the_one_that_the_controller_puts_into_pods(changes, image):
    assert describe(controller(**changes)).executor_image == image


@pytest.mark.parametrize(("value", "on"), [("true", True), ("1", True), ("false", False)])
def test_the_finalizer_setting_is_read_as_argo_reads_it(value, on):
    variable = {"name": "ARGO_POD_STATUS_CAPTURE_FINALIZER", "value": value}
    assert describe(controller(env=[variable])).finalizer is on


def test_a_controller_whose_new_version_has_not_started_is_not_available():
    deployment = controller()
    deployment["metadata"] = {**deployment["metadata"], "generation": 2}
    deployment["status"]["observedGeneration"] = 1
    assert not describe(deployment).available


def test_argo_is_installed_where_there_is_none_kinds_before_what_is_of_them():
    api = FakeApi({"/apis/apps/v1/deployments": {"items": []}})
    told = []
    assert argo.ensure(api, ClusterOptions(), told.append).version == "v4.0.5"
    assert told == ["installing Argo Workflows v4.0.5"]
    kinds = [document["kind"] for document in api.applied]
    assert kinds[0] == "Namespace"
    assert kinds.index("Deployment") > max(
        index for index, kind in enumerate(kinds) if kind == "CustomResourceDefinition"
    )


def test_any_argo_that_is_there_will_do_where_none_is_named():
    api = FakeApi()
    api.install(controller())
    assert argo.ensure(api, ClusterOptions(), ignore).version == "v3.6.2"
    assert api.applied == []


def test_another_argo_takes_the_place_of_the_one_that_is_there_only_where_it_is_named():
    api = FakeApi()
    api.install(controller())
    options = ClusterOptions(argo_version="v3.7.18")
    assert argo.ensure(api, options, ignore).version == "v3.7.18"
    applied = len(api.applied)
    assert argo.ensure(api, options, ignore).version == "v3.7.18"
    assert len(api.applied) == applied


def test_a_second_controller_in_another_namespace_is_refused():
    api, deployment = FakeApi(), controller()
    deployment["metadata"]["namespace"] = "workflows"
    api.install(deployment)
    assert argo.ensure(api, ClusterOptions(), ignore).namespace == "workflows"
    with pytest.raises(SubstrateError, match="two controllers would run each workflow twice"):
        argo.ensure(api, ClusterOptions(argo_version="v4.0.5"), ignore)


def test_somebody_elses_controller_that_is_down_is_left_to_them():
    api = FakeApi()
    deployment = controller()
    deployment["spec"]["replicas"] = 0
    deployment["status"] = {}
    api.install(deployment)
    with pytest.raises(SubstrateError, match=r"scale deployment/workflow-controller --replicas=1"):
        argo.ensure(api, ClusterOptions(), ignore)
    assert MANIFEST_ANNOTATION not in deployment["metadata"]
