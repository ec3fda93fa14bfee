"""What may be asked of a cluster."""

import pytest

from chaosml.cluster.options import ClusterOptions, checkout_file, parse_version, services_image
from chaosml.errors import UsageError


def test_without_options_nothing_is_asked_of_argo():
    assert not ClusterOptions().names_argo
    assert ClusterOptions().config_file == checkout_file("kind-config.yaml")


@pytest.mark.parametrize(
    "option",
    [
        {"argo_version": "v3.7.18"},
        {"argo_executor_image": "mirror/argoexec:v4.0.5"},
        {"argo_environment": {}},
    ],
)
def test_any_option_of_argo_asks_for_one(option):
    assert ClusterOptions(**option).names_argo


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"name": "No Name"}, "must be lower-case"),
        ({"name": "-a"}, "must be lower-case"),
        ({"namespace": "x" * 41}, "cluster namespace"),
        ({"argo_version": "4.0.5"}, "must look like v4.0.5"),
        ({"argo_version": "latest"}, "must look like v4.0.5"),
        ({"argo_version": "v3.5.15"}, "v3.6 or newer"),
    ],
)
def test_a_wrong_option_is_refused_with_what_would_be_right(options, says):
    with pytest.raises(UsageError, match=says):
        ClusterOptions(**options)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"nowhere\.yaml: no such file"):
        ClusterOptions(config=tmp_path / "nowhere.yaml")


def test_versions_are_compared_as_numbers():
    assert parse_version("v3.10.0") > parse_version("v3.9.9")
    assert parse_version("v4.0.5-rc1") == (4, 0, 5)
    assert parse_version("latest") is None


def test_our_image_carries_our_version_and_is_never_latest():
    name, _, tag = services_image().partition(":")
    assert name == "chaosml/services"
    assert tag[0].isdigit()
