"""A running services process and a way to ask what it said."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import os
import pathlib
import queue
import socket
import subprocess
import sys
import urllib.parse

import boto3
from botocore.config import Config

from chaosml import clock
from chaosml.event import Emission, HoldEnded, HoldStarted, Request
from chaosml.services.client import Services
from chaosml.services.messages import AddPod, Arm, Begin, End, Rule

WAIT_S = 10.0


class World:
    """Services of one run, the execution that goes on, and everything said in it."""

    def __init__(self, directory: pathlib.Path, run: str = "run-1", **options):
        self.inbox = queue.SimpleQueue()
        self.folder = directory
        """Where the services write their log."""
        self.services = Services(self.inbox, run=run, directory=directory, **options)
        self.services.start()
        self.said: list[Emission] = []
        self.bucket = ""
        self._executions = 0

    @property
    def endpoints(self):
        return self.services.endpoints

    def begin(self):
        """Begin an execution in a bucket of its own, with the pods `u1` and `u2`."""
        self._executions += 1
        self.bucket = f"bucket-{self._executions}"
        answer = self.call(Begin(execution=f"trial/{self._executions}", bucket=self.bucket))
        assert answer.objects == 0
        self._take_all()
        self.said.clear()
        for uid, task in (("u1", "train"), ("u2", "evaluate")):
            self.call(AddPod(uid=uid, task=task, attempt=0, node="n1"))
        return self

    def call(self, order):
        return self.services.call(order)

    def end(self):
        """End the execution; return everything that was said in it."""
        closed = self.call(End()).closed
        self._take_all()
        for source, last in closed.items():
            numbers = [each.source_seq for each in self.said if each.source == source]
            assert numbers == list(range(1, last + 1))
        return self.said

    def arm(self, **fields):
        rule = {"rule": "rule-1", "task": "train", "attempt": None, "place": "the place"}
        self.call(Arm(armed=Rule(**rule | fields)))

    def _take_all(self):
        while True:
            try:
                services, message = self.inbox.get_nowait()
            except queue.Empty:
                return
            self.said += services.handle(message)

    def wait_for(self, kind, number=1):
        """Return the `number`th fact of a kind, waiting until it was said."""
        deadline = clock.Deadline(f"{kind.__name__} number {number}", WAIT_S)

        def found():
            self._take_all()
            return len(self.facts(kind)) >= number

        assert clock.wait_until(found, deadline), f"{deadline.what}; said: {self.said}"
        return self.facts(kind)[number - 1]

    def facts(self, kind):
        return [each.data for each in self.said if isinstance(each.data, kind)]

    def wait_for_hold(self, number=1) -> HoldStarted:
        return self.wait_for(HoldStarted, number)

    def wait_for_hold_end(self, number=1) -> HoldEnded:
        return self.wait_for(HoldEnded, number)

    def requests(self) -> list[Request]:
        """End the execution and return its requests."""
        return [each.data for each in self.end() if isinstance(each.data, Request)]

    def s3(self, uid="u1", url=None, **config):
        """Return a client with a pod's credential."""
        return boto3.client(
            "s3",
            endpoint_url=url or self.endpoints.gate_url,
            aws_access_key_id=uid,
            aws_secret_access_key="any",
            region_name="us-east-1",
            config=Config(
                **{"retries": {"total_max_attempts": 1}, "read_timeout": 20, **config},
            ),
        )

    def store(self):
        """Return a client that goes past the gate."""
        return self.s3("audit", self.endpoints.store_url)

    def stored(self, key):
        """Return the bytes of every version of a key, the newest first."""
        store = self.store()
        listing = store.list_object_versions(Bucket=self.bucket, Prefix=key)
        return [
            store.get_object(Bucket=self.bucket, Key=key, VersionId=each["VersionId"])[
                "Body"
            ].read()
            for each in listing.get("Versions", [])
        ]

    def close(self):
        self.services.close()


def signed(uid="u1", **headers):
    """Return headers of a request that names its pod; their names with `_` for `-`."""
    credential = f"AWS4-HMAC-SHA256 Credential={uid}/20261125/us-east-1/s3/aws4_request"
    return {
        "Authorization": f"{credential}, SignedHeaders=host, Signature={'0' * 64}",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }


def request(url, method, target, headers, body=b""):
    """Send one request just as it is; return status, headers and body."""
    host = urllib.parse.urlsplit(url).netloc
    connection = http.client.HTTPConnection(host, timeout=20)
    with contextlib.closing(connection):
        connection.request(method, target, body or None, headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()


def connect(url_or_address):
    """Open a plain TCP connection."""
    address = urllib.parse.urlsplit(url_or_address).netloc or url_or_address
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=20)


def start_program(program, **environment):
    """Start a Python program in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | environment,
        text=True,
    )


def base64_of(data):
    return base64.b64encode(data).decode()


def sha256_of(data):
    return hashlib.sha256(data).hexdigest()


def marked_processes(run):
    """Return the living processes that carry the mark of a run."""
    mark = f"CHAOSML_RUN={run}".encode()
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if mark in environment and state != "Z":
            found.append(int(folder.name))
    return found
