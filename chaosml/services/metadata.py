"""The metadata service: each node's AWS IMDS (v1 and v2) and GCP server, and who read a notice.

`/nodes/NODE/latest/…` is the service of a node; `/nodes/NODE/pods/UID/latest/…` is
the same with the reader's name in it, which is how a pod gets its endpoint. With
`computeMetadata/v1/…` in the place of `latest/…` it is Google's. A notice is shown in one
of the two formats.
"""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import hmac
import re
import secrets
from urllib.parse import unquote

from aiohttp import web

from chaosml import clock
from chaosml.event import NoticeRead, NoticeVisible, NoticeWithdrawn
from chaosml.services import gcp
from chaosml.services.connection import connection_of
from chaosml.services.execution import Execution, Stage
from chaosml.services.imds import NOT_FOUND, NOTICE_PATHS, Notice, Page, find_page
from chaosml.services.messages import Notify
from chaosml.services.sources import METADATA

__all__ = ["Metadata"]

_PATH = re.compile(r"/nodes/([^/]+)(?:/pods/([^/]+))?(?:/(.*))?")
_TTL_HEADER = "X-aws-ec2-metadata-token-ttl-seconds"
_TOKEN_HEADER = "X-aws-ec2-metadata-token"
_TTL_S_MAX = 21600


class _Tokens:
    """IMDSv2 session tokens; they carry their own end, so that none has to be remembered."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)

    def create(self, node: str, ttl_s: int) -> str:
        """Return a token of a node, good for `ttl_s` seconds."""
        end_ns = clock.monotonic_ns() + ttl_s * 1_000_000_000
        return f"{end_ns:x}.{self._sign(node, end_ns)}"

    def left_s(self, node: str, token: str) -> int:
        """Return the seconds that a token is still good for; 0 for an ended or foreign one."""
        end, _, signature = token.partition(".")
        try:
            end_ns = int(end, 16)
        except ValueError:
            return 0
        if not hmac.compare_digest(signature.encode(), self._sign(node, end_ns).encode()):
            return 0
        # A token is good until its last second is over.
        return max(0, -((clock.monotonic_ns() - end_ns) // 1_000_000_000))

    def _sign(self, node: str, end_ns: int) -> str:
        return hmac.new(self._secret, f"{node}|{end_ns}".encode(), hashlib.sha256).hexdigest()


class Metadata:
    """The notices of all nodes and the HTTP handler that shows them."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._tokens = _Tokens()
        self._notices: dict[str, Notice] = {}
        self._readers: dict[str, set[str | None]] = {}
        """Who has read each notice; None is a client on the node itself."""
        self._waiting: set[asyncio.Event] = set()
        """Clients that wait for a change."""

    def reset(self) -> None:
        """Forget all notices."""
        self._notices.clear()
        self._readers.clear()
        self._wake()

    def notify(self, execution: Execution, order: Notify) -> None:
        """Show a notice on a node from now on."""
        before_ns = clock.monotonic_ns()
        left = datetime.timedelta(microseconds=(order.deadline_ns - before_ns) // 1000)
        deadline = clock.utc_now() + left
        self._notices[order.node] = Notice(order.notice, order.action, deadline, order.provider)
        self._wake()
        execution.emit(
            METADATA,
            f"node/{order.node}",
            NoticeVisible(
                node=order.node,
                notice=order.notice,
                action=order.action,
                deadline_ns=order.deadline_ns,
            ),
            earliest_ns=before_ns,
        )

    def withdraw(self, execution: Execution, node: str) -> None:
        """Show a node's notice no longer; without one nothing happens."""
        before_ns = clock.monotonic_ns()
        notice = self._notices.pop(node, None)
        self._wake()
        if notice is not None:
            execution.emit(
                METADATA,
                f"node/{node}",
                NoticeWithdrawn(node=node, notice=notice.notice),
                earliest_ns=before_ns,
            )

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""
        arrived_ns = clock.monotonic_ns()
        found = _PATH.fullmatch(request.raw_path.partition("?")[0])
        if found is None:
            return _respond(NOT_FOUND)
        node, path = unquote(found[1]), found[3] or ""
        reader = unquote(found[2]) if found[2] else None
        if path.partition("/")[0] == "computeMetadata":
            return await self._answer_google(request, node, reader, path, arrived_ns)
        if request.method == "PUT" and path == "latest/api/token":
            return self._give_token(request, node)
        if request.method not in ("GET", "HEAD"):
            return _respond(Page(405, "text/plain", "Method Not Allowed"))
        token = request.headers.get(_TOKEN_HEADER)
        left_s = self._tokens.left_s(node, token) if token is not None else None
        if left_s == 0:
            return _respond(Page(401, "text/plain", "Unauthorized"))
        notice = self._notice(node, "aws")
        response = _respond(find_page(path, node, notice))
        if left_s is not None:
            response.headers[_TTL_HEADER] = str(left_s)
        if notice is None or request.method != "GET" or path.strip("/") not in NOTICE_PATHS:
            return response
        if response.status != 200:
            return response
        return await self._answer_read(request, response, notice, node, reader, arrived_ns)

    async def _answer_google(
        self, request: web.BaseRequest, node: str, reader: str | None, path: str, arrived_ns: int
    ) -> web.StreamResponse:
        """Answer as Google's server does."""
        name, value = gcp.FLAVOR
        if request.headers.get(name) != value or "X-Forwarded-For" in request.headers:
            return _respond_google(403, "text/html", f"Missing {name}:{value} header.")
        if request.method not in ("GET", "HEAD"):
            return _respond_google(405, "text/plain", "Method Not Allowed")
        try:
            query = gcp.parse_query(request.query)
        except ValueError as error:
            return _respond_google(400, "text/plain", str(error))
        found = await self._find_google(request, node, path, query)
        if found is None:
            return _respond_google(404, "text/html", "The requested URL was not found.")
        response = _respond_google(200, found.content_type, found.body)
        response.headers["ETag"] = found.etag
        notice = self._notice(node, "gcp")
        wanted = path.strip("/")
        shows = wanted == gcp.PREEMPTED or (
            query.recursive and gcp.PREEMPTED.startswith(f"{wanted}/")
        )
        if notice is None or request.method != "GET" or not shows or "TRUE" not in found.body:
            return response
        return await self._answer_read(request, response, notice, node, reader, arrived_ns)

    async def _find_google(
        self, request: web.BaseRequest, node: str, path: str, query: gcp.Query
    ) -> gcp.Value | None:
        """Return a value: at once, or when it is another one, or when the time is over."""

        def find() -> gcp.Value | None:
            preempted = self._notice(node, "gcp") is not None
            return gcp.find_value(path, node, preempted=preempted, query=query)

        value, connection, woken = find(), connection_of(request), asyncio.Event()
        if value is None or not query.wait_for_change:
            return value
        known = value.etag if query.last_etag is None else query.last_etag
        self._waiting.add(woken)
        try:
            with connection.on_loss(woken.set):
                async with asyncio.timeout(query.timeout_s):
                    while value is not None and value.etag == known and not connection.gone:
                        woken.clear()
                        await woken.wait()
                        value = find()
        except TimeoutError:
            return value
        finally:
            self._waiting.remove(woken)
        return value

    def _notice(self, node: str, provider: str) -> Notice | None:
        """Return the notice that a node shows in the format of a provider."""
        notice = self._notices.get(node)
        return notice if notice is not None and notice.provider == provider else None

    def _wake(self) -> None:
        for woken in self._waiting:
            woken.set()

    async def _answer_read(
        self,
        request: web.BaseRequest,
        response: web.Response,
        notice: Notice,
        node: str,
        reader: str | None,
        arrived_ns: int,
    ) -> web.Response:
        """Answer with a notice, and say that it was read once the answer is out."""
        await response.prepare(request)
        await response.write_eof()
        self._note_reader(notice, node, reader, arrived_ns)
        return response

    def _give_token(self, request: web.BaseRequest, node: str) -> web.Response:
        ttl = request.headers.get(_TTL_HEADER, "")
        if not ttl.isdecimal() or not 1 <= int(ttl) <= _TTL_S_MAX:
            return _respond(Page(400, "text/plain", "Bad Request"))
        response = _respond(Page(200, "text/plain", self._tokens.create(node, int(ttl))))
        response.headers[_TTL_HEADER] = ttl
        return response

    def _note_reader(self, notice: Notice, node: str, reader: str | None, arrived_ns: int) -> None:
        execution = self._stage.execution
        if execution is None:
            return
        pod = execution.find_pod(reader)
        uid = None if pod is None else pod.uid
        readers = self._readers.setdefault(notice.notice, set())
        if uid in readers:
            return
        readers.add(uid)
        execution.emit(
            METADATA,
            f"node/{node}" if uid is None else f"pod/{uid}",
            NoticeRead(node=node, notice=notice.notice, uid=uid, first=len(readers) == 1),
            earliest_ns=arrived_ns,
        )


def _respond_google(status: int, content_type: str, body: str) -> web.Response:
    name, value = gcp.FLAVOR
    return web.Response(
        status=status,
        text=body,
        content_type=content_type,
        headers={name: value, "Server": "Metadata Server for VM"},
    )


def _respond(page: Page) -> web.Response:
    return web.Response(status=page.status, text=page.body, content_type=page.content_type)
