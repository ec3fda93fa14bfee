"""The services' program as it runs in a pod, and the runner that reaches it by forwarded ports."""

from __future__ import annotations

import pathlib
import queue
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from chaosml.errors import ServiceError
from chaosml.services.messages import AddPod, Begin, End
from chaosml.services.remote import RUNNER_PORT, RemoteServices
from chaosml.substrates.kubernetes.api import ApiUnreachable

pytestmark = pytest.mark.slow


class Pod:
    """The program with its runner's port, which a test may dial as a port-forward would."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        command = [sys.executable, "-P", "-m", "chaosml.services.process"]
        command += ["--runner-port", str(self.port), "--host", "127.0.0.1"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def dial(self, port: int) -> socket.socket:
        try:
            return socket.create_connection(
                ("127.0.0.1", self.port if port == RUNNER_PORT else port), 5
            )
        except OSError as error:
            raise ApiUnreachable(str(error)) from error

    def close(self) -> None:
        self.process.kill()
        self.process.wait(5)


@pytest.fixture
def pod() -> Iterator[Pod]:
    pod = Pod()
    yield pod
    pod.close()


def connect(pod: Pod, folder: pathlib.Path) -> RemoteServices:
    inbox: queue.SimpleQueue[tuple[object, Any]] = queue.SimpleQueue()
    services = RemoteServices(inbox, run="r", directory=folder, dial=pod.dial, start_s=30)
    services.start()
    return services


def test_orders_are_answered_and_the_store_is_reached_by_a_local_port(
    pod: Pod, tmp_path: pathlib.Path
) -> None:
    services = connect(pod, tmp_path)
    try:
        assert services.alive
        assert services.call(Begin(execution="control/1", bucket="bucket")).objects == 0
        services.call(AddPod(uid="u0", task="train", attempt=0, node="one"))
        with urllib.request.urlopen(f"{services.endpoints.store_url}/bucket?list-type=2") as answer:
            assert b"<Name>bucket</Name>" in answer.read()
        assert services.call(End()).closed == {"gate": 0, "control": 0, "metadata": 0}
    finally:
        services.close()


def test_the_program_ends_once_its_runner_has_gone(pod: Pod, tmp_path: pathlib.Path) -> None:
    services = connect(pod, tmp_path)
    services.close()
    services.close()
    assert pod.process.wait(10) == 0


def test_a_program_that_never_listens_is_reported(tmp_path: pathlib.Path) -> None:
    def dial(port: int) -> socket.socket:
        raise ApiUnreachable("connection refused")

    inbox: queue.SimpleQueue[tuple[object, Any]] = queue.SimpleQueue()
    services = RemoteServices(inbox, run="r", directory=tmp_path, dial=dial, start_s=0.1)
    with pytest.raises(ServiceError, match="took no connection within 0 s: connection refused"):
        services.start()
    services.close()


def test_services_on_another_clock_are_refused(
    pod: Pod, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chaosml.clock.boot_id", lambda: "another")
    with pytest.raises(ServiceError, match="clocks cannot be compared"):
        connect(pod, tmp_path)
