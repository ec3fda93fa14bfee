"""Calls of docker and kind: limits, output, and what is said where they are missing."""

import pytest

from chaosml import clock, cluster
from chaosml.cluster import docker, kind
from chaosml.cluster.diagnosis import State, doctor
from chaosml.cluster.program import call
from chaosml.errors import SubstrateError

pytestmark = pytest.mark.slow


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Put shell scripts in the place of every program; return the function that adds one."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def add(name, script):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    return add


def shell(script, **options):
    return call(["/bin/sh", "-c", script], what="the script", limit_s=10, **options)


def test_every_line_is_told_once_as_it_comes_the_last_without_its_end_too():
    told = []
    outcome = shell("echo a; echo b >&2; printf c", each_line=told.append)
    assert sorted(told) == ["a", "b", "c"]
    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, "a\nc", "b\n")


def test_a_failure_tells_the_last_words():
    with pytest.raises(SubstrateError, match="the script failed: no space left"):
        shell("echo no space left >&2; exit 3").expect("the script")


def test_a_program_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path):
    mark = tmp_path / "alive"
    script = f"(trap '' TERM; while :; do echo >> {mark}; /bin/sleep 0.05; done) & wait"
    begun = clock.monotonic_ns()
    with pytest.raises(SubstrateError, match=r"the script has not ended within 0\.5 s"):
        call(["/bin/sh", "-c", script], what="the script", limit_s=0.5)
    assert (clock.monotonic_ns() - begun) / 1e9 < 8
    size = mark.stat().st_size
    grew = clock.wait_until(lambda: mark.stat().st_size > size, clock.Deadline("a write", 0.5))
    assert not grew


def test_no_docker_is_one_message_with_the_way_to_it(programs):
    with pytest.raises(SubstrateError, match="Docker is not installed: install it"):
        cluster.up()


def test_a_docker_that_does_not_run_is_told_from_one_that_refuses(programs):
    programs("docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    with pytest.raises(SubstrateError, match=r"does not run .*start it"):
        docker.server_version()
    programs("docker", "echo 'permission denied while trying to connect' >&2; exit 1")
    with pytest.raises(SubstrateError, match=r"refuses you .*usermod -aG docker"):
        docker.server_version()


def test_no_kind_is_one_message_with_the_way_to_it(programs):
    programs("docker", "echo 28.2.2")
    with pytest.raises(SubstrateError, match="kind is not installed: install it"):
        cluster.status()


def test_a_node_image_that_cannot_be_pulled_is_named_with_the_option(programs, tmp_path):
    programs("kind", "echo 'ERROR: failed to pull image \"mine:1\"' >&2; exit 1")
    with pytest.raises(SubstrateError, match=r"mine:1 cannot be pulled.*--node-image"):
        kind.create("chaosml", tmp_path / "kind.yaml", "mine:1", print)


def test_the_steps_of_kind_are_told_without_their_decoration(programs, tmp_path):
    programs("kind", "echo ' • Preparing nodes 📦 📦  ...' >&2; echo ' ✓ Preparing nodes 📦' >&2")
    told = []
    kind.create("chaosml", tmp_path / "kind.yaml", "image", told.append)
    assert told == ["Preparing nodes"]


def test_the_doctor_says_everything_that_this_machine_lacks_at_once(programs):
    checks = {check.subject: check for check in doctor()}
    assert checks["Docker"].state is State.MISSING
    assert "apt-get install docker.io" in checks["Docker"].remedy
    assert checks["kind"].state is State.MISSING
    assert checks["kubectl"].state is State.NOTE
