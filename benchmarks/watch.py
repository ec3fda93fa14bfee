"""A watch of 5,000 pods that is cut 20 times: 50,000 events, memory, and what was lost or doubled.

    python benchmarks/watch.py

A simulated API server and whoever follows it are processes of their own. The follower is
what a run on a cluster has: the connection, the watch, the reading of pods, the history.
Every cut is one of three: the stream is closed, it is dropped in the middle of a line, or
the version is too old (410) and the list has moved on meanwhile.
"""

from __future__ import annotations

import functools
import http.server
import json
import os
import pathlib
import queue
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

ROOT = pathlib.Path(__file__).resolve().parent.parent
PODS, STAGES, CUTS = 5_000, 10, 20
EVENTS = PODS * STAGES
EVERY = EVENTS // (CUTS + 1)
MISSED = 500
"""Events that happen between a watch that is too old and the new list, each of another pod."""
LIMIT_MB = 300.0
LIMIT_S = 240.0
PATH = "/api/v1/namespaces/bench/pods"
WORKFLOW = "bench"
SCHEDULED, RUNNING, ENDED = 1, 2, STAGES - 2
CONFIG = """
apiVersion: v1
kind: Config
contexts: [{{name: bench, context: {{cluster: c, user: u}}}}]
clusters: [{{name: c, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
users: [{{name: u, user: {{token: none}}}}]
"""


# --- what happens ---


def moment(version: int) -> tuple[int, int]:
    """Return pod and stage of the event with that version: every pod in turn, stage by stage."""
    stage, place = divmod(version - 1, PODS)
    # Another order than that of the names.
    return place * 7919 % PODS, stage


def cut_of(version: int) -> str:
    """Return how the stream is cut behind that version; empty where it is not."""
    number, rest = divmod(version, EVERY)
    if rest or not 1 <= number <= CUTS:
        return ""
    return ("closed", "dropped", "gone")[(number - 1) % 3]


def pod_at(version: int) -> dict[str, Any]:
    """Return a pod as Argo makes them, of some 8 kB, as of that version."""
    number, stage = moment(version)
    seconds, stamp = 60 + stage, "2026-01-01T00:{:02}:{:02}Z".format
    state: dict[str, Any] = {"waiting": {"reason": "PodInitializing"}}
    if stage >= RUNNING:
        state = {"running": {"startedAt": stamp(*divmod(60 + RUNNING, 60))}}
    if stage >= ENDED:
        ended = {"exitCode": 0, "reason": "Completed", "finishedAt": stamp(*divmod(seconds, 60))}
        state = {"terminated": {**state["running"], **ended}}
    name = f"{WORKFLOW}-train-{number:010}"
    containers = [
        {"name": one, "image": "registry.example/trainer:1", "env": ENVIRONMENT}
        for one in ("main", "wait")
    ]
    return {
        "metadata": {
            "uid": f"uid-{number}",
            "name": name,
            "namespace": "bench",
            "resourceVersion": str(version),
            "creationTimestamp": stamp(1, 0),
            "labels": {"chaosml.dev/execution": WORKFLOW},
            "annotations": {"workflows.argoproj.io/node-name": f"{WORKFLOW}.train({number})"},
            "managedFields": [{"manager": "argo", "fieldsV1": {f"f:{i}": {} for i in range(40)}}],
        },
        "spec": {
            "containers": containers,
            "terminationGracePeriodSeconds": 30,
            **({"nodeName": f"node-{number % 50}"} if stage >= SCHEDULED else {}),
        },
        "status": {
            "phase": "Running" if stage >= RUNNING else "Pending",
            "containerStatuses": [
                {"name": one, "image": "i", "imageID": f"sha256:{number % 3:064}", "state": state}
                for one in ("main", "wait")
            ],
            "observedGeneration": stage,
        },
    }


ENVIRONMENT = [{"name": f"VARIABLE_{i}", "value": "x" * 50} for i in range(45)]


# --- the API server ---


class Server(http.server.BaseHTTPRequestHandler):
    """Lists and watches; `head` is what the server knows of."""

    protocol_version = "HTTP/1.1"
    head = 0
    cuts: Counter[str] = Counter()

    def do_GET(self) -> None:
        """Answer a list or a watch."""
        query = {name: one[0] for name, one in parse_qs(urlsplit(self.path).query).items()}
        if self.path.startswith("/cuts"):
            self._answer(json.dumps(dict(self.cuts)).encode())
        elif "watch" in query:
            self._watch(int(query["resourceVersion"]))
        else:
            self._list(query)

    def _list(self, query: dict[str, str]) -> None:
        """Answer with every pod as it stands, or with as many as were asked for."""
        head = Server.head
        first, _, at = query.get("continue", f"0:{head}").partition(":")
        begin, count, head = int(first), int(query.get("limit", PODS)), int(at)
        items = [
            version
            for number in range(begin, min(PODS, begin + count))
            if (version := latest(number, head))
        ]
        metadata = {"resourceVersion": str(head)}
        if begin + count < PODS and head:
            metadata["continue"] = f"{begin + count}:{head}"
        pods = b",".join(msgspec.json.encode(pod_at(version)) for version in items)
        self._answer(b'{"metadata":' + json.dumps(metadata).encode() + b',"items":[' + pods + b"]}")

    def _watch(self, version: int) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        # A stream that begins at a cut was cut there before.
        if cut_of(version) == "gone":
            Server.head = version + MISSED
            self._say({"type": "ERROR", "object": {"kind": "Status", "code": 410}})
            self._end()
            return
        while version < EVENTS:
            version += 1
            Server.head = version
            stage = moment(version)[1]
            kind = {0: "ADDED", STAGES - 1: "DELETED"}.get(stage, "MODIFIED")
            self._say({"type": kind, "object": pod_at(version)})
            if cut := cut_of(version):
                self.cuts[cut] += 1
                if cut == "dropped":
                    self._write(b'{"type":"MODIFIED","obj')
                else:
                    self._end()
                self.close_connection = True
                return
        self.rfile.read(1)  # Until the follower has gone.

    def _say(self, event: dict[str, Any]) -> None:
        self._write(msgspec.json.encode(event) + b"\n")

    def _write(self, content: bytes) -> None:
        self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")

    def _end(self) -> None:
        self.wfile.write(b"0\r\n\r\n")

    def _answer(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_request(self, *said: object) -> None:
        """Say nothing."""


@functools.cache
def _turns() -> dict[int, int]:
    return {moment(version)[0]: version for version in range(1, PODS + 1)}


def latest(number: int, head: int) -> int:
    """Return the version of a pod as of `head`; 0 where there is none."""
    first = _turns()[number]
    if head < first:
        return 0
    version = first + (head - first) // PODS * PODS
    return 0 if moment(version)[1] == STAGES - 1 else version


def serve() -> None:
    """Serve until standard input ends; print the port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


# --- the follower ---


class Tail:
    """Follows no log: there is none."""

    def stop(self, why: str) -> None:
        """Do nothing."""


def follow(folder: pathlib.Path) -> None:
    """Follow all of it into a history and print the figures as JSON."""
    from chaosml import clock
    from chaosml.history import HistoryWriter
    from chaosml.substrates.kubernetes import pods
    from chaosml.substrates.kubernetes.api import KubernetesApi
    from chaosml.substrates.kubernetes.nodes import NodeFollower
    from chaosml.substrates.kubernetes.observer import Observer
    from chaosml.substrates.kubernetes.stamps import WallClock
    from chaosml.substrates.kubernetes.watches import Reflector
    from chaosml.substrates.protocol import Submission

    reports: queue.SimpleQueue[Any] = queue.SimpleQueue()
    observer = Observer(
        Submission(
            name=WORKFLOW,
            workflow_file=folder / "workflow.yaml",
            parameters={},
            overlay=(),
            logs=folder,
            recording=folder / "workflow.jsonl",
        ),
        nodes=NodeFollower(),
        wall=WallClock.now(),
        follow_log=lambda pod, since_ns: Tail(),
    )
    trim = functools.partial(pods.trim, variables=())
    watch = Reflector(KubernetesApi("bench"), PATH, reports.put, trim=trim)
    with HistoryWriter(folder / "history.jsonl", clock.boot_id()) as history:
        watch.start()
        followed = _take_all(watch, reports, observer, history)
    facts = _facts(folder / "history.jsonl")
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(followed | {"peak_mb": peak_mb, "facts": facts}))


def _take_all(watch: Any, reports: Any, observer: Any, history: Any) -> dict[str, Any]:
    """Take every event that is told until all are there, and what comes twice after that."""
    from chaosml.substrates.kubernetes.logs import LogEnded
    from chaosml.substrates.kubernetes.observer import Report
    from chaosml.substrates.kubernetes.watches import Failed

    begun = time.monotonic()
    told: Counter[tuple[int, int]] = Counter()
    longest = 0
    while len(told) < EVENTS and time.monotonic() - begun < LIMIT_S:
        longest = max(longest, reports.qsize())
        change = reports.get(timeout=30)
        if isinstance(change, Failed):
            raise change.error
        told[_name(change)] += 1
        observer.take(Report("pods", change))
        for uid in list(observer.tails):
            observer.take(LogEnded(uid))
        _record(observer, history)
    wall_s = time.monotonic() - begun
    while (late := _next(reports)) is not None:
        told[_name(late)] += 1
    watch.stop()
    observer.close()
    _record(observer, history)
    return {"wall_s": wall_s, "longest_queue": longest} | _told(told)


def _record(observer: Any, history: Any) -> None:
    for entry in observer.sources.take():
        history.record(entry)


def _told(told: Counter[tuple[int, int]]) -> dict[str, Any]:
    expected = {moment(version) for version in range(1, EVENTS + 1)}
    return {
        "told": sum(told.values()),
        "lost": len(expected - set(told)),
        "doubled": sum(count - 1 for count in told.values()),
        "unexpected": len(set(told) - expected),
    }


def _next(reports: queue.SimpleQueue[Any]) -> Any:
    try:
        return reports.get(timeout=0.5)
    except queue.Empty:
        return None


def _name(change: Any) -> tuple[int, int]:
    """Return pod and stage; a deletion that a new list shows has no version of its own."""
    number, stage = moment(int(change.object["metadata"]["resourceVersion"]))
    return number, STAGES - 1 if change.kind.value == "deleted" else stage


def _facts(path: pathlib.Path) -> dict[str, int]:
    """Return how many facts of each kind stand in a history."""
    with open(path, encoding="utf-8") as lines:
        return dict(Counter(json.loads(line)["data"]["kind"] for line in lines))


# --- the measurement ---


def main() -> int:
    """Measure; return 0 where all limits hold."""
    this = [sys.executable, str(pathlib.Path(__file__).resolve())]
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen([*this, "serve"], stdin=pipe, stdout=pipe, text=True) as server,
    ):
        assert server.stdin is not None
        assert server.stdout is not None
        port = int(server.stdout.readline())
        config = pathlib.Path(folder) / "config"
        config.write_text(CONFIG.format(port=port), encoding="utf-8")
        environment = {**os.environ, "KUBECONFIG": str(config), "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [*this, "follow", folder], stdout=pipe, text=True, env=environment, check=True
        )
        cuts = _ask(port)
        server.stdin.close()
    return _report(json.loads(done.stdout), cuts)


def _ask(port: int) -> dict[str, int]:
    import urllib.request

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/cuts", timeout=10) as answer:
        return dict(json.loads(answer.read()))


def _report(found: dict[str, Any], cuts: dict[str, int]) -> int:
    facts = {kind: found["facts"].get(kind, 0) for kind in FACTS}
    whole = all(count == PODS for count in facts.values())
    print(f"{PODS:,} pods, {EVENTS:,} events, read in {found['wall_s']:.1f} s")
    print(f"reconnects          {sum(cuts.values())} ({cuts})")
    print(f"changes told        {found['told']:,}; longest queue {found['longest_queue']:,}")
    print(
        f"lost, doubled       {found['lost']}, {found['doubled']}, unexpected {found['unexpected']}"
    )
    print(f"facts in history    {facts}")
    print(f"peak memory         {found['peak_mb']:.0f} MB (limit {LIMIT_MB:.0f})")
    wrong = found["lost"] + found["doubled"] + found["unexpected"]
    holds = not wrong and whole and sum(cuts.values()) == CUTS and found["peak_mb"] <= LIMIT_MB
    print(f"limits: {'held' if holds else 'broken'}")
    return 0 if holds else 1


FACTS = ("pod-created", "pod-started", "pod-exited")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve"]:
            serve()
        case ["follow", folder]:
            follow(pathlib.Path(folder))
        case _:
            sys.exit(main())
