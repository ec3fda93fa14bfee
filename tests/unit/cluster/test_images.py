"""Names of images, and the source that ours is built from."""

import pathlib

import pytest

from chaosml.cluster import images


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
