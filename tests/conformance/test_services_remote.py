"""The services' program as it runs in a pod, and the runner that reaches it by forwarded ports."""

from __future__ import annotations

import json
import pathlib
import queue
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from chaosml import clock
from chaosml.errors import ServiceError
from chaosml.event import Emission, NoticeVisible, ProbeConnected, Request
from chaosml.history import LoseSource
from chaosml.services.messages import AddPod, Begin, End, Notify
from chaosml.services.remote import RUNNER_PORT, RemoteServices
from chaosml.substrates.kubernetes.api import ApiUnreachable
from chaosml.translation import Clocks

pytestmark = pytest.mark.slow

SHIFTED = """
import sys, time
from chaosml import clock
shift, ppm = {shift}, {ppm}
clock.boot_id = lambda: "elsewhere"
clock.monotonic_ns = lambda: (now := time.monotonic_ns()) + now * ppm // 1000000 + shift
from chaosml.services.process import main
sys.exit(main(sys.argv[1:]))
"""
"""The program on a clock that shows something else and runs at another rate."""

SHORT = """
import sys
from chaosml.services import link, process
process.Port = lambda: link.Port(lifeline_s={lifeline_s}, runner_s={lifeline_s})
sys.exit(process.main(sys.argv[1:]))
"""
"""The program with less patience."""

FORGETFUL = """
import sys
from chaosml.services import link, process
link.Outbox.__init__.__defaults__ = (2000,)
sys.exit(process.main(sys.argv[1:]))
"""
"""The program with little room for what was not taken yet."""


class Wire:
    """A forwarded connection that a test can cut or freeze."""

    def __init__(self, far: socket.socket) -> None:
        self.far = far
        self.near, self.end = socket.socketpair()
        self.flows = threading.Event()
        self.flows.set()
        self.pumps = [
            threading.Thread(target=self._pump, args=each, daemon=True)
            for each in ((far, self.end), (self.end, far))
        ]
        for pump in self.pumps:
            pump.start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while chunk := source.recv(1 << 16):
                self.flows.wait()
                target.sendall(chunk)
        except OSError:
            pass
        self.cut()

    def cut(self) -> None:
        for one in (self.far, self.end):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def close(self) -> None:
        self.flows.set()
        self.cut()
        for pump in self.pumps:
            pump.join(5)
        for one in (self.far, self.end):
            one.close()


class Pod:
    """The program with its runner's port, which a test may dial as a port-forward would."""

    def __init__(self, program: str = "") -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        start = ["-c", program] if program else ["-m", "chaosml.services.process"]
        command = [sys.executable, "-P", *start]
        command += ["--runner-port", str(self.port), "--host", "127.0.0.1"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        self.wires: list[Wire] = []
        """Those that may be whole."""
        self.all: list[Wire] = []
        self.away = False

    def dial(self, port: int) -> socket.socket:
        if self.away:
            raise ApiUnreachable("the API server cannot be reached")
        try:
            far = socket.create_connection(
                ("127.0.0.1", self.port if port == RUNNER_PORT else port), 5
            )
        except OSError as error:
            raise ApiUnreachable(str(error)) from error
        far.settimeout(None)
        wire = Wire(far)
        self.wires.append(wire)
        self.all.append(wire)
        return wire.near

    def cut(self) -> None:
        """Break every connection, as an API server does that restarts."""
        wires, self.wires = self.wires, []
        for wire in wires:
            wire.cut()

    def close(self) -> None:
        self.process.kill()
        self.process.wait(5)
        for wire in self.all:
            wire.close()


@pytest.fixture
def start_pod() -> Iterator[Callable[..., Pod]]:
    pods: list[Pod] = []

    def start(program: str = "") -> Pod:
        pods.append(Pod(program))
        return pods[-1]

    yield start
    for pod in pods:
        pod.close()


@pytest.fixture
def pod(start_pod: Callable[..., Pod]) -> Pod:
    return start_pod()


def connect(pod: Pod, folder: pathlib.Path, **options: Any) -> RemoteServices:
    inbox: queue.SimpleQueue[tuple[object, Any]] = queue.SimpleQueue()
    services = RemoteServices(
        inbox, run="r", directory=folder, dial=pod.dial, **{"start_s": 30, **options}
    )
    services.start()
    return services


def everything_said(services: RemoteServices) -> list[Emission]:
    """Return what has come, in its order."""
    said = []
    while not services._inbox.empty():
        owner, message = services._inbox.get()
        said += owner.handle(message)  # type: ignore[attr-defined]
    return said


def write_objects(services: RemoteServices, count: int, first: int = 0) -> None:
    """Write through the gate, which says each request."""
    client = boto3.client(
        "s3",
        endpoint_url=services.endpoints.gate_url,
        aws_access_key_id="u0",
        aws_secret_access_key="any",
        region_name="us-east-1",
        config=Config(retries={"total_max_attempts": 1}),
    )
    for number in range(first, first + count):
        client.put_object(Bucket="bucket", Key=f"key-{number}", Body=b"x")


def begin(services: RemoteServices) -> None:
    services.call(Begin(execution="control/1", bucket="bucket"))
    services.call(AddPod(uid="u0", task="train", attempt=0, node="one"))


def keys(said: list[Any]) -> list[str | None]:
    return [one.data.key for one in said if isinstance(one.data, Request)]


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


def test_a_connection_that_is_cut_again_and_again_loses_and_doubles_nothing(
    pod: Pod, tmp_path: pathlib.Path
) -> None:
    services = connect(pod, tmp_path)
    try:
        begin(services)
        for number in range(6):
            write_objects(services, 5, first=number * 5)
            pod.cut()
            services.call(AddPod(uid=f"p{number}", task="train", attempt=0, node="one"))
        closed = services.call(End()).closed
        assert closed is not None
        said = [one for one in everything_said(services) if one.source == "gate"]
        assert [one.source_seq for one in said] == list(range(1, closed["gate"] + 1))
        assert keys(said) == [f"key-{number}" for number in range(30)]
    finally:
        services.close()
    assert pod.process.wait(10) == 0


def test_what_is_said_while_nobody_is_connected_comes_with_the_next_connection(
    pod: Pod, tmp_path: pathlib.Path
) -> None:
    services = connect(pod, tmp_path)
    try:
        begin(services)
        pod.away = True
        pod.cut()
        write_objects(services, 20)
        assert services.alive
        assert keys(everything_said(services)) == []
        pod.away = False
        services.call(End())
        assert keys(everything_said(services)) == [f"key-{number}" for number in range(20)]
    finally:
        services.close()


def test_a_connection_that_is_open_and_dead_is_given_up(
    pod: Pod, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chaosml.services.remote._SILENT_S", 0.5)
    monkeypatch.setattr("chaosml.services.remote._BEAT_S", 0.1)
    services = connect(pod, tmp_path)
    try:
        begin(services)
        pod.wires[-1].flows.clear()
        write_objects(services, 3)
        assert services.call(End()).closed == {"gate": 3, "control": 0, "metadata": 0}
        assert keys(everything_said(services)) == ["key-0", "key-1", "key-2"]
        assert len(pod.wires) > 1
    finally:
        services.close()


def test_an_order_whose_answer_was_cut_off_is_carried_out_once(
    pod: Pod, tmp_path: pathlib.Path
) -> None:
    services = connect(pod, tmp_path)
    try:
        begin(services)
        wire = pod.wires[-1]
        # The order gets through, its answer does not.
        wire.flows.clear()
        answers: list[Any] = []
        notice = Notify(node="one", notice="n1", action="terminate", deadline_ns=1)
        asking = threading.Thread(target=lambda: answers.append(services.call(notice)))
        asking.start()
        wire.flows.set()
        pod.cut()
        asking.join(20)
        assert [one.error for one in answers] == [None]
        services.call(End())
        seen = [one for one in everything_said(services) if isinstance(one.data, NoticeVisible)]
        assert len(seen) == 1
    finally:
        services.close()


def test_services_that_stay_away_end_the_run_with_the_reason(
    pod: Pod, tmp_path: pathlib.Path
) -> None:
    services = connect(pod, tmp_path, away_s=0.5)
    try:
        begin(services)
        pod.away = True
        pod.cut()
        with pytest.raises(ServiceError, match="ended before they answered End"):
            services.call(End())
        assert not services.alive
        with pytest.raises(ServiceError, match="without a connection: the API server cannot be"):
            services.check()
        lost = [one for one in everything_said(services) if isinstance(one, LoseSource)]
        assert {one.source for one in lost} >= {"gate", "control", "metadata"}
    finally:
        services.close()


def test_a_stranger_gets_nothing_and_does_not_disturb_the_runner(
    pod: Pod, tmp_path: pathlib.Path
) -> None:
    services = connect(pod, tmp_path)
    try:
        begin(services)
        with pod.dial(RUNNER_PORT) as stranger:
            stranger.settimeout(5)
            attach = {"type": "attach", "token": "guess", "taken": 0}
            stranger.sendall(json.dumps(attach).encode() + b"\n")
            assert stranger.recv(100) == b""
        with pod.dial(RUNNER_PORT) as mute:
            mute.sendall(b"no json\n")
        assert services.call(End()).closed is not None
    finally:
        services.close()


def test_services_whose_runner_died_end_by_themselves_after_a_while(
    start_pod: Callable[..., Pod], tmp_path: pathlib.Path
) -> None:
    pod = start_pod(SHORT.format(lifeline_s=1.5))
    services = connect(pod, tmp_path)
    begin(services)
    services._closing = True
    pod.away = True
    pod.cut()
    services._reader.join(5)  # type: ignore[union-attr]
    assert pod.process.poll() is None
    assert pod.process.wait(20) == 0


def test_services_that_no_runner_ever_asks_for_end_with_an_error(
    start_pod: Callable[..., Pod],
) -> None:
    assert start_pod(SHORT.format(lifeline_s=0.5)).process.wait(30) == 4


def test_what_could_not_be_kept_loses_the_sources_and_the_run_goes_on(
    start_pod: Callable[..., Pod], tmp_path: pathlib.Path
) -> None:
    pod = start_pod(FORGETFUL)
    services = connect(pod, tmp_path)
    try:
        begin(services)
        write_objects(services, 1)
        pod.away = True
        pod.cut()
        write_objects(services, 20, first=1)
        pod.away = False
        services.call(AddPod(uid="u2", task="train", attempt=0, node="one"))
        said: list[Any] = everything_said(services)
        lost = [one for one in said if isinstance(one, LoseSource)]
        assert {one.source for one in lost} >= {"gate", "control", "metadata"}
        assert "could not keep" in lost[0].why
        # Whatever comes behind the gap belongs to a source that is lost.
        assert said[-1] == lost[-1]
        services.call(End())
        assert everything_said(services) == []
        begin(services)
        write_objects(services, 1)
        services.call(End())
        assert keys(everything_said(services)) == ["key-0"]
    finally:
        services.close()


@pytest.mark.parametrize("ppm", [-150, 150])
def test_what_services_on_another_clock_say_is_placed_on_ours(
    ppm: int, start_pod: Callable[..., Pod], tmp_path: pathlib.Path
) -> None:
    pod = start_pod(SHIFTED.format(shift=-7_000_000_000_000, ppm=ppm))
    clocks = Clocks(clock.boot_id())
    services = connect(pod, tmp_path, clocks=clocks)
    try:
        begin(services)
        between = []
        for number in range(10):
            before_ns = time.monotonic_ns()
            write_objects(services, 1, first=number)
            between.append((before_ns, time.monotonic_ns()))
            pod.cut()
        deadline_ns = time.monotonic_ns() + 120_000_000_000
        services.call(Notify(node="one", notice="n1", action="terminate", deadline_ns=deadline_ns))
        with urllib.request.urlopen(
            f"{services.endpoints.metadata_url}/nodes/one/latest/meta-data/spot/instance-action"
        ) as answer:
            told = json.loads(answer.read())["time"]
        services.call(End())
        said = everything_said(services)
        requests = [one for one in said if isinstance(one.data, Request)]
        assert len(requests) == 10
        for (before_ns, after_ns), one in zip(between, requests, strict=True):
            # The truth overlaps with what is claimed, which is a few milliseconds wide.
            assert one.earliest_ns <= after_ns
            assert one.latest_ns >= before_ns
            assert one.latest_ns - one.earliest_ns < after_ns - before_ns + 50_000_000
        (notice,) = [one.data for one in said if isinstance(one.data, NoticeVisible)]
        assert notice.deadline_ns == deadline_ns
        left_s = (clock.utc_now().timestamp()) + (deadline_ns - time.monotonic_ns()) / 1e9
        shown = clock.datetime.datetime.fromisoformat(told.replace("Z", "+00:00")).timestamp()
        assert abs(shown - left_s) < 2
    finally:
        services.close()


def test_a_probe_on_a_third_clock_is_bounded_by_its_round_trip_to_the_services(
    start_pod: Callable[..., Pod], tmp_path: pathlib.Path
) -> None:
    pod = start_pod(SHIFTED.format(shift=5_000_000_000_000, ppm=0))
    clocks = Clocks(clock.boot_id())
    services = connect(pod, tmp_path, clocks=clocks)
    try:
        begin(services)
        host, _, port = services.endpoints.control.rpartition(":")
        with socket.create_connection((host, int(port)), 5) as probe:
            probe.sendall(b'{"v":1,"hello":"u0","pid":1,"rank":0}\n')
            assert b"armed" in probe.recv(1000)
            true_ns = time.monotonic_ns()
            stamp_ns = true_ns - 3_000_000_000_000
            line = {"mono_ns": stamp_ns, "boot": "third"}
            probe.sendall(json.dumps(line).encode() + b"\n")
            limit = clock.Deadline("a bound of the probe's clock", 10)
            assert clock.wait_until(lambda: clocks.place("third", 0) != (None, None), limit)
        earliest_ns, latest_ns = clocks.place("third", stamp_ns)
        assert earliest_ns is not None
        assert latest_ns is not None
        assert earliest_ns <= true_ns <= latest_ns
        assert latest_ns - earliest_ns < 500_000_000
        services.call(End())
        assert [one for one in everything_said(services) if isinstance(one.data, ProbeConnected)]
    finally:
        services.close()


def test_the_local_port_of_the_store_waits_for_a_pod_that_is_away(
    pod: Pod, tmp_path: pathlib.Path
) -> None:
    services = connect(pod, tmp_path)
    try:
        begin(services)
        pod.away = True
        pod.cut()
        back = threading.Timer(0.7, setattr, (pod, "away", False))
        back.start()
        with urllib.request.urlopen(f"{services.endpoints.store_url}/bucket?list-type=2") as answer:
            assert b"<Name>bucket</Name>" in answer.read()
        back.join()
    finally:
        services.close()
