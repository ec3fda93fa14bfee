"""The life of the services process: start, failure, death, and what stays behind: nothing."""

from __future__ import annotations

import asyncio
import os
import pathlib
import signal
import subprocess
import sys

import pytest
from botocore.credentials import Credentials
from services_under_test import World, connect, marked_processes, start_program

from chaosml import clock
from chaosml.errors import ServiceError
from chaosml.event import Request
from chaosml.history import LoseSource
from chaosml.services.client import Services
from chaosml.services.messages import Begin, End, Withdraw
from chaosml.services.signing import UNSIGNED_PAYLOAD, Signer
from chaosml.services.store import Store, StoreUnanswered

pytestmark = pytest.mark.slow

END_S = 2.0

OWNER_PROGRAM = """
import os, pathlib, queue, sys
from chaosml.services.client import Services
from chaosml.services.messages import AddPod, Arm, Begin, Rule
services = Services(queue.SimpleQueue(), run=os.environ["RUN"], directory=pathlib.Path("."))
services.start()
services.call(Begin(execution="trial/1", bucket="bucket-1"))
services.call(AddPod(uid="u1", task="train", attempt=0, node="n1"))
rule = Rule(rule="r", task="train", attempt=None, place="step 1", event="step", hold_s=30)
services.call(Arm(armed=rule))
if os.environ.get("FORKS"):
    # A child that keeps the owner's end of the socket open.
    if os.fork() == 0:
        sys.stdin.read()
        os._exit(0)
print(services.endpoints.control, flush=True)
sys.stdin.read()
"""


def wait_until_gone(run, seconds=END_S):
    deadline = clock.Deadline(f"the end of the processes of {run}", seconds)
    return clock.wait_until(lambda: not marked_processes(run), deadline)


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path, run=f"run-{os.getpid()}-{tmp_path.name}")
    yield world.begin()
    world.close()


def store_process_of(world):
    """Return the process id of the embedded store."""
    (store,) = (
        pid
        for pid in marked_processes(world.services._run)
        if b"store_process" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    )
    return store


@pytest.mark.parametrize("forks", ["", "yes"], ids=["alone", "socket kept open"])
def test_when_the_owner_is_killed_nothing_stays_and_held_pods_go_on(tmp_path, forks):
    run = f"owner-{os.getpid()}{forks}"
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER_PROGRAM],
        cwd=tmp_path,
        env=os.environ | {"RUN": run, "FORKS": forks},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with owner:
        address = owner.stdout.readline().strip()
        pod = 'from chaosml import probe; probe.step(1, batch="b"); print("on", flush=True)'
        with start_program(pod, CHAOSML_CONTROL=address, CHAOSML_POD="u1") as held:
            held.stderr.readline()
            assert len(marked_processes(run)) == 2
            owner.kill()
            assert wait_until_gone(run), marked_processes(run)
            assert held.stdout.readline() == "on\n"


def test_closing_leaves_no_process_and_no_port(tmp_path):
    world = World(tmp_path, run=f"closing-{os.getpid()}").begin()
    assert len(marked_processes(world.services._run)) == 2
    begun = clock.monotonic_ns()
    world.close()
    assert clock.monotonic_ns() - begun < END_S * 1e9
    assert wait_until_gone(world.services._run, 0.5)
    assert not world.services.alive
    with pytest.raises(ConnectionRefusedError):
        connect(world.endpoints.gate_url)
    world.close()
    with pytest.raises(ServiceError, match="not running; End was not sent"):
        world.call(End())


def test_a_stopped_process_is_killed_with_its_children(tmp_path):
    """A process that cannot answer any more must not outlive the run."""
    world = World(tmp_path, run=f"stopped-{os.getpid()}")
    for pid in marked_processes(world.services._run):
        os.kill(pid, signal.SIGSTOP)
    world.close()
    assert wait_until_gone(world.services._run)


def test_two_services_at_once_do_not_see_each_other(world, tmp_path):
    (tmp_path / "other").mkdir()
    other = World(tmp_path / "other", run="other").begin()
    try:
        assert world.bucket == other.bucket
        world.s3().put_object(Bucket=world.bucket, Key="k", Body=b"x")
        assert other.stored("k") == []
        assert other.end() == []
    finally:
        other.close()
    assert [each.key for each in world.requests()] == ["k"]


def test_a_process_that_dies_loses_its_sources_and_says_so(world):
    process = world.services._process
    process.kill()
    _, message = world.inbox.get(timeout=10)
    entries = world.services.handle(message)
    assert [(type(each), each.source) for each in entries] == [
        (LoseSource, "gate"),
        (LoseSource, "control"),
        (LoseSource, "metadata"),
    ]
    assert not world.services.alive
    with pytest.raises(ServiceError, match="End"):
        world.call(End())
    assert wait_until_gone(world.services._run), "the store outlived the services"


def test_an_order_that_is_not_answered_in_time_is_named(world):
    os.kill(world.services._process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(ServiceError, match=r"did not answer Withdraw within 0\.2 s"):
            world.services.call(Withdraw(node="n1"), timeout_s=0.2)
    finally:
        os.kill(world.services._process.pid, signal.SIGCONT)
    world.call(Withdraw(node="n1"))


def test_an_order_outside_an_execution_is_refused(world):
    world.end()
    with pytest.raises(ServiceError, match="refused Withdraw: no execution is going on"):
        world.call(Withdraw(node="n1"))


def test_a_bucket_that_is_not_empty_is_counted_with_every_version(world):
    for _ in range(2):
        world.s3().put_object(Bucket=world.bucket, Key="k", Body=b"x")
    world.s3().delete_object(Bucket=world.bucket, Key="k")
    assert world.call(Begin(execution="trial/9", bucket=world.bucket)).objects == 3


def test_a_dead_store_ends_the_services_which_say_why(world):
    os.kill(store_process_of(world), signal.SIGKILL)
    ended = clock.Deadline("end of the services", 5.0)
    assert clock.wait_until(lambda: not world.services.alive, ended)
    with pytest.raises(ServiceError, match=r"(?s)exit code 4.*store ended with code -9"):
        world.services.check()
    with pytest.raises(ServiceError, match="Begin was not sent"):
        world.call(Begin(execution="trial/9", bucket="bucket-9"))


def test_a_store_that_is_not_there_fails_the_begin(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    world = World(tmp_path, store_url="http://127.0.0.1:9")
    try:
        with pytest.raises(
            ServiceError, match=r"the store at http://127\.0\.0\.1:9 does not answer"
        ):
            world.begin()
    finally:
        world.close()


def test_a_start_that_fails_shows_the_end_of_the_log(tmp_path, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(ServiceError, match=r"(?s)ended while they started.*no credentials for"):
        World(tmp_path, store_url="http://127.0.0.1:9")


def test_a_start_in_a_folder_that_is_not_there_is_refused(tmp_path):
    world = Services(None, run="r", directory=tmp_path / "none")
    with pytest.raises(ServiceError, match="cannot start the services"):
        world.start()
    world.close()


def test_no_credential_reaches_the_log_or_the_history(world, tmp_path):
    secret = "c0ffee" * 10
    with connect(world.endpoints.gate_url) as client:
        head = f"PUT /b/k HTTP/1.1\r\nAuthorization: AWS {secret}:{secret}\r\nBad header\r\n\r\n"
        client.sendall(head.encode())
        client.recv(65536)
    world.s3("u1").put_object(Bucket=world.bucket, Key="k", Body=b"x")
    said = repr(world.end())
    log = (tmp_path / "services.log").read_text()
    assert secret not in said + log
    assert "Signature" not in said + log


async def _send_to_a_store_that_hangs_up(method, body):
    """Return how often a request arrived at a store that takes it and closes."""
    arrived = []

    async def take(reader, writer):
        arrived.append(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    store = Store(f"http://127.0.0.1:{port}", Signer(Credentials("i", "s"), "us-east-1"))
    try:
        with pytest.raises(StoreUnanswered) as unanswered:
            await store.send(method, "/b/k", {}, body, UNSIGNED_PAYLOAD)
    finally:
        await store.close()
        server.close()
        await server.wait_closed()
    return len(arrived), unanswered.value.sent


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
def test_a_request_that_the_store_does_not_answer_is_never_sent_twice(method):
    body = None if method in ("GET", "DELETE") else b"x"
    assert asyncio.run(_send_to_a_store_that_hangs_up(method, body)) == (1, True)


def test_requests_in_flight_at_the_end_come_to_their_end_before_it_is_answered(world):
    """What a dead pod had sent whole is stored and recorded, or neither."""
    with connect(world.endpoints.gate_url) as client:
        client.sendall(
            f"PUT /{world.bucket}/k HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx".encode()
        )
        said = [each.data for each in world.end() if isinstance(each.data, Request)]
    assert len(said) == len(world.stored("k"))
