"""Names of images, and the source that ours is built from."""

import pathlib

import pytest

from chaosml.cluster import images
from chaosml.cluster.program import Outcome
from chaosml.errors import SubstrateError


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("python:3.11-slim", "docker.io/library/python:3.11-slim"),
        ("chaosml/services:0.1.0", "docker.io/chaosml/services:0.1.0"),
        ("quay.io/argoproj/argoexec:v4.0.5", "quay.io/argoproj/argoexec:v4.0.5"),
        ("localhost/mine:1", "localhost/mine:1"),
        ("localhost:5000/mine", "localhost:5000/mine:latest"),
        ("python", "docker.io/library/python:latest"),
        ("mine/a@sha256:0123", "docker.io/mine/a@sha256:0123"),
    ],
)
def test_a_name_is_completed_as_docker_and_containerd_do(name, full):
    assert images.full_name(name) == full


def test_the_image_is_built_from_its_recipe_and_the_whole_package():
    names = [name for name, _ in images._sources()]
    assert {"Dockerfile", "pyproject.toml", "chaosml/cli.py"} <= set(names)
    assert "chaosml/cluster/argo/install.yaml" in names
    assert not [name for name in names if "__pycache__" in name]


def test_the_digest_changes_with_any_byte_of_the_source(tmp_path, monkeypatch):
    path = tmp_path / "a.py"
    path.write_text("1")
    monkeypatch.setattr(images, "_sources", lambda: iter([("chaosml/a.py", path)]))
    first = images.source_digest()
    path.write_text("2")
    assert images.source_digest() != first
    path.write_text("1")
    assert images.source_digest() == first


def test_every_file_of_the_recipe_is_let_into_the_build():
    ignored = (pathlib.Path(images.__file__).parents[2] / ".dockerignore").read_text()
    for name in images._FILES:
        assert f"!{name}\n" in ignored


def test_a_runtime_that_starts_with_its_node_is_waited_for(monkeypatch):
    away = Outcome(1, "", 'rpc error: code = Unavailable desc = "no such file or directory"')
    answers = [away, away, Outcome(0, '{"images": [{"repoTags": ["docker.io/a/b:1"]}]}', "")]
    monkeypatch.setattr(images.docker, "in_container", lambda *_: answers.pop(0))
    monkeypatch.setattr(images.clock, "pause", lambda _: None)
    assert images._images_in_node("worker", ["a/b:1", "a/c:1"]) == {"a/b:1"}
    assert answers == []


def test_a_runtime_that_fails_otherwise_is_not_waited_for(monkeypatch):
    broken = Outcome(1, "", "crictl: command not found")
    monkeypatch.setattr(images.docker, "in_container", lambda *_: broken)
    with pytest.raises(SubstrateError, match="images of node worker failed: crictl: command not"):
        images._images_in_node("worker", ["a/b:1"])
