"""The notice is read as AWS serves it; a service that does not answer means no notice."""

from __future__ import annotations

import http.server
import json
import threading

import pytest

from chaosml.reference import notice
from chaosml.reference.interruption import Interruption
from chaosml.reference.notice import (
    ENDPOINT_VARIABLE,
    GOOGLE_VARIABLE,
    GoogleMetadata,
    Metadata,
)

NOTICE = {"action": "terminate", "time": "2026-11-24T22:17:00Z"}


class Service:
    """IMDSv2 on loopback; `tokens` are the sessions that it accepts."""

    def __init__(self):
        self.notice = None
        self.tokens = set()
        self.asked = []
        self.silent = False
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_PUT(self):
                service.asked.append(("PUT", self.path))
                assert self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
                token = f"token-{len(service.asked)}"
                service.tokens.add(token)
                self.answer(200, token.encode())

            def do_GET(self):
                service.asked.append(("GET", self.path))
                if self.headers.get("X-aws-ec2-metadata-token") not in service.tokens:
                    self.answer(401, b"")
                elif service.notice is None:
                    self.answer(404, b"<html>")
                else:
                    self.answer(200, service.notice)

            def answer(self, status, body):
                if service.silent:
                    status, body = 503, b""
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/nodes/node-1"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def service():
    running = Service()
    yield running
    running.server.shutdown()
    running.server.server_close()


def test_no_notice_is_none_and_a_notice_is_told_with_its_time(service):
    metadata = Metadata(service.url)
    assert metadata.read_notice() is None
    service.notice = json.dumps(NOTICE).encode()
    assert metadata.read_notice() == "terminate at 2026-11-24T22:17:00Z"


def test_the_token_is_fetched_once_and_again_after_it_was_refused(service):
    metadata = Metadata(service.url)
    metadata.read_notice()
    metadata.read_notice()
    assert [method for method, _ in service.asked] == ["PUT", "GET", "GET"]
    service.tokens.clear()
    service.notice = json.dumps(NOTICE).encode()
    assert metadata.read_notice() is None
    assert metadata.read_notice() is not None


def test_the_path_of_the_endpoint_is_kept(service):
    Metadata(service.url).read_notice()
    assert service.asked[-1] == ("GET", "/nodes/node-1/latest/meta-data/spot/instance-action")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"action": "stop"}', b'"terminate"'])
def test_an_answer_that_is_no_notice_is_none(service, body):
    service.notice = body
    assert Metadata(service.url).read_notice() is None


def test_an_ailing_service_is_no_notice(service):
    service.silent = True
    service.notice = json.dumps(NOTICE).encode()
    assert Metadata(service.url).read_notice() is None


def test_a_service_that_is_not_there_is_no_notice(service):
    service.server.server_close()
    assert Metadata("http://127.0.0.1:9/").read_notice() is None


def test_a_notice_becomes_a_request_to_end(service, monkeypatch):
    monkeypatch.setenv(ENDPOINT_VARIABLE, service.url)
    requested = threading.Event()

    class Noted(Interruption):
        def request(self, reason):
            super().request(reason)
            requested.set()

    interruption = Noted()
    service.notice = json.dumps(NOTICE).encode()
    notice.watch(interruption, poll_s=0.01)
    assert requested.wait(5), "the notice was not read within 5 s"
    assert interruption.reason == "interruption notice: terminate at 2026-11-24T22:17:00Z"


@pytest.mark.parametrize(("endpoint", "poll_s"), [("", 0.01), ("http://127.0.0.1:9/", 0.0)])
def test_without_an_endpoint_or_an_interval_nobody_is_asked(monkeypatch, endpoint, poll_s):
    monkeypatch.setenv(ENDPOINT_VARIABLE, endpoint)
    before = threading.active_count()
    notice.watch(Interruption(), poll_s=poll_s)
    assert threading.active_count() == before


class GoogleService:
    """Google's server on loopback: FALSE once, then TRUE; what comes without the flavor is 403."""

    def __init__(self):
        self.values = [b"FALSE", b"TRUE"]
        self.asked = []
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                service.asked.append(self.path)
                known = self.headers["Metadata-Flavor"] == "Google"
                body = service.values[0] if known else b""
                if len(service.values) > 1:
                    service.values.pop(0)
                self.send_response(200 if known else 403)
                self.send_header("ETag", f"tag-{body.decode()}")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.host = f"127.0.0.1:{self.server.server_port}/nodes/node-1"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def google():
    running = GoogleService()
    yield running
    running.server.shutdown()
    running.server.server_close()


def test_google_is_asked_for_what_has_changed_since(google):
    metadata = GoogleMetadata(google.host)
    assert metadata.read_notice() is None
    assert metadata.read_notice() == "preempted"
    path = "/nodes/node-1/computeMetadata/v1/instance/preempted?wait_for_change=true&timeout_sec=60"
    assert google.asked == [f"{path}&last_etag=NONE", f"{path}&last_etag=tag-FALSE"]


def test_a_server_of_googles_that_is_not_there_is_no_notice():
    assert GoogleMetadata("127.0.0.1:9/").read_notice() is None


def test_a_preemption_becomes_a_request_to_end(google, monkeypatch):
    monkeypatch.setenv(GOOGLE_VARIABLE, google.host)
    monkeypatch.setenv(ENDPOINT_VARIABLE, "")
    requested = threading.Event()

    class Noted(Interruption):
        def request(self, reason):
            super().request(reason)
            requested.set()

    interruption = Noted()
    notice.watch(interruption, poll_s=0.01)
    assert requested.wait(5), "the notice was not read within 5 s"
    assert interruption.reason == "interruption notice: preempted"
