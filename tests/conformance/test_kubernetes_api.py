"""The connection to an API server: answers, refusals, streams, and a server that is away."""

from __future__ import annotations

import http.server
import json
import pathlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from chaosml.errors import UsageError
from chaosml.substrates.kubernetes.api import ApiUnreachable, KubernetesApi, path_of
from chaosml.substrates.kubernetes.refusals import ApiError

pytest.importorskip("kubernetes")
pytestmark = pytest.mark.slow

CONFIG = """
apiVersion: v1
kind: Config
current-context: other
contexts: [{{name: mine, context: {{cluster: c, user: u}}}}]
clusters: [{{name: c, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
users: [{{name: u, user: {{token: s3cret}}}}]
"""


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers as the test's script says, and notes what came."""

    protocol_version = "HTTP/1.1"
    asked: list[tuple[str, str, Any, dict[str, str]]]
    answers: list[tuple[int, Any]]

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        self.asked.append((self.command, self.path, body, dict(self.headers)))
        status, said = self.answers.pop(0)
        if isinstance(said, list):
            self._stream(said)
            return
        content = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _stream(self, chunks: list[bytes | None]) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in chunks:
            if chunk is None:
                self.close_connection = True
                return
            self.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _answer

    def log_request(self, *said: object) -> None:
        pass


class Server:
    def __init__(self, folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.handler = type("Scripted", (Handler,), {"asked": [], "answers": []})
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler)
        self.http.daemon_threads = True
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()
        config = folder / "config"
        config.write_text(CONFIG.format(port=self.http.server_address[1]))
        monkeypatch.setenv("KUBECONFIG", str(config))

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join(5)


@pytest.fixture
def server(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server(tmp_path, monkeypatch)
    yield server
    server.close()


def test_a_call_carries_the_token_of_the_named_context(server: Server) -> None:
    server.handler.answers.append((200, {"kind": "PodList"}))
    assert KubernetesApi("mine").get("/api/v1/pods", labelSelector="a=b") == {"kind": "PodList"}
    method, path, _, headers = server.handler.asked[0]
    assert (method, path) == ("GET", "/api/v1/pods?labelSelector=a%3Db")
    assert headers["authorization"] == "Bearer s3cret"


def test_a_context_that_is_not_there_is_the_users_mistake(server: Server) -> None:
    with pytest.raises(UsageError, match="no usable context 'nobody'"):
        KubernetesApi("nobody")


def test_a_refusal_keeps_its_status_and_the_servers_words(server: Server) -> None:
    said = {"reason": "Forbidden", "message": "pods is forbidden"}
    server.handler.answers.append((403, said))
    with pytest.raises(ApiError, match="403 pods is forbidden") as caught:
        KubernetesApi("mine").create("/api/v1/pods", {"kind": "Pod"})
    assert (caught.value.status, caught.value.reason) == (403, "Forbidden")


def test_a_patch_is_merged(server: Server) -> None:
    server.handler.answers.append((200, {}))
    KubernetesApi("mine").patch("/api/v1/nodes/one", {"spec": {"unschedulable": None}})
    _, _, body, headers = server.handler.asked[0]
    assert body == {"spec": {"unschedulable": None}}
    assert headers["Content-Type"] == "application/merge-patch+json"


def test_a_server_that_starts_is_asked_again_where_that_does_no_harm(server: Server) -> None:
    server.handler.answers += [(503, {}), (200, {"kind": "Pod"})]
    assert KubernetesApi("mine").get("/api/v1/pods/one") == {"kind": "Pod"}
    server.handler.answers += [(503, {}), (200, {})]
    with pytest.raises(ApiError):
        KubernetesApi("mine").create("/api/v1/pods", {})


def test_a_stream_gives_whole_lines_and_ends_in_order(server: Server) -> None:
    server.handler.answers.append((200, [b'{"a":', b'1}\n{"b":2}\n{"c"', b":3}"]))
    lines = list(KubernetesApi("mine").stream("/api/v1/pods", watch="true"))
    assert lines == [b'{"a":1}\n', b'{"b":2}\n', b'{"c":3}']


def test_a_stream_that_is_cut_off_says_so_after_its_lines(server: Server) -> None:
    server.handler.answers.append((200, [b'{"a":1}\n', None]))
    seen: list[bytes] = []
    with pytest.raises(ApiUnreachable, match="broke"):
        seen.extend(KubernetesApi("mine").stream("/api/v1/pods"))
    with pytest.raises(ApiUnreachable, match="cannot be reached"):
        KubernetesApi("mine")._call("GET", "http://127.0.0.1:1")


def test_paths_name_group_namespace_object_and_subresource() -> None:
    assert path_of("pods/log", namespace="n", name="p") == "/api/v1/namespaces/n/pods/p/log"
    group = "argoproj.io/v1alpha1"
    assert path_of("workflows", namespace="n", group=group) == (
        "/apis/argoproj.io/v1alpha1/namespaces/n/workflows"
    )
    assert path_of("nodes", name="one") == "/api/v1/nodes/one"
