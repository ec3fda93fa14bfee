"""The gate beside the store alone: large and small objects, and the memory of the services.

    python benchmarks/gate.py [--memory]

The same boto3 client puts and gets the same bytes in turns, through the gate and straight to the
store, so that the ratios mean something on another or a busy machine; the best of the rounds
counts, whatever else runs only takes away. `--memory` asks instead for 10,000 requests over 1,000
connections and prints what the services' process holds before and after.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import http.client
import os
import pathlib
import queue
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

from chaosml.services.client import Services
from chaosml.services.messages import AddPod, Begin, End

ROUNDS = 7
LARGE_BYTES = 64 << 20
SMALL_BYTES = 4 << 10
SMALL_OPERATIONS = 200
CONNECTIONS = 1000
AT_ONCE = 50
REQUESTS = 10_000
BUCKET = "gate-benchmark"


def main() -> None:
    """Print every figure with its limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memory", action="store_true")
    arguments = parser.parse_args()
    with services() as started:
        if arguments.memory:
            show_memory(started)
        else:
            show_speed(started)


@contextlib.contextmanager
def services() -> Iterator[Services]:
    """Yield running services with an execution and a pod."""
    with tempfile.TemporaryDirectory() as folder:
        inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        started = Services(inbox, run="benchmark", directory=pathlib.Path(folder))
        started.start()
        try:
            started.call(Begin(execution="control/1", bucket=BUCKET))
            started.call(AddPod(uid="pod", task="train", attempt=0, node="node"))
            yield started
            started.call(End())
        finally:
            started.close()


def show_speed(started: Services) -> None:
    """Print how fast the gate is, compared with the store alone."""
    ends = started.endpoints
    through, straight = client(ends.gate_url), client(ends.store_url)
    large, small = os.urandom(LARGE_BYTES), os.urandom(SMALL_BYTES)
    limits = {"PUT 64 MiB": 0.8, "GET 64 MiB": 0.75, "PUT 4 KiB": 0.8, "GET 4 KiB": 0.8}
    for name, limit in limits.items():
        verb, size, _ = name.split()
        body = large if size == "64" else small
        times = {"gate": 1e9, "store": 1e9}
        for _ in range(ROUNDS):
            for way, s3 in (("gate", through), ("store", straight)):
                times[way] = min(times[way], measure(operation(s3, verb, body), body))
        ratio = times["store"] / times["gate"]
        print(
            f"{name}: {1000 * times['gate']:.2f} ms through the gate, "
            f"{1000 * times['store']:.2f} ms straight, ratio {ratio:.2f} (at least {limit})"
        )


def operation(s3: Any, verb: str, body: bytes) -> Callable[[], object]:
    """Return one operation of a client; what is got was put the same way, once."""
    key = f"object-{len(body)}"
    if verb == "PUT":
        return lambda: s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    return lambda: s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()


def measure(do: Callable[[], object], body: bytes) -> float:
    """Return the seconds of one operation; of small ones, the mean of many."""
    count = 1 if len(body) == LARGE_BYTES else SMALL_OPERATIONS
    begun = time.perf_counter()
    for _ in range(count):
        do()
    return (time.perf_counter() - begun) / count


def show_memory(started: Services) -> None:
    """Print what the services' process holds in the course of many requests."""
    end = urllib.parse.urlsplit(started.endpoints.gate_url)
    client(started.endpoints.gate_url).put_object(Bucket=BUCKET, Key="one", Body=b"x" * SMALL_BYTES)
    process = started.pid
    held = [resident_mb(process)]
    print(f"before: {held[0]:.1f} MB")
    each = REQUESTS // CONNECTIONS
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for part in range(10):
            jobs = [
                pool.submit(ask, str(end.hostname), int(end.port or 0), each)
                for _ in range(CONNECTIONS // 10)
            ]
            answered = sum(job.result() for job in jobs)
            held.append(resident_mb(process))
            print(f"after {(part + 1) * answered} requests: {held[-1]:.1f} MB")
    # The first requests load and cache what all later ones use.
    grown = max(held[1:]) - held[1]
    print(f"grown by {grown:.1f} MB since the first tenth (at most 20)")


def ask(host: str, port: int, count: int) -> int:
    """Ask for an object several times over one connection; return how often it came."""
    connection = http.client.HTTPConnection(host, port, timeout=60)
    with contextlib.closing(connection):
        came = 0
        for _ in range(count):
            headers = {
                "Authorization": "AWS4-HMAC-SHA256 Credential=pod/x/us-east-1/s3/aws4_request"
            }
            connection.request("GET", f"/{BUCKET}/one", headers=headers)
            answer = connection.getresponse()
            came += len(answer.read()) == SMALL_BYTES
        return came


def resident_mb(process: int) -> float:
    """Return the resident memory of a process."""
    pages = int(pathlib.Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def client(url: str) -> Any:
    """Return a client as a pipeline has it."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=url,
        aws_access_key_id="pod",
        aws_secret_access_key="any",
        region_name="us-east-1",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=60),
    )


if __name__ == "__main__":
    main()
