"""The Kubernetes API as this substrate needs it: JSON objects by path, and streams of lines.

The official client reads the kubeconfig and makes the connections; objects stay
plain JSON, because a watch of thousands of pods has no use for typed copies of them.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode

import msgspec

from chaosml import clock
from chaosml.errors import SubstrateError, UsageError
from chaosml.services.lifeline import AWAY_S
from chaosml.substrates.kubernetes.portforward import open_forward
from chaosml.substrates.kubernetes.refusals import ApiError, refusal

if TYPE_CHECKING:
    import urllib3

__all__ = [
    "Api",
    "ApiUnreachable",
    "HttpApi",
    "KubernetesApi",
    "LineStream",
    "Objects",
    "Ran",
    "delete_if_there",
    "path_of",
]

_CALL_S = 10.0
_FIRST_S = 3.0
"""How long a server may be away that never answered: it is more likely a wrong address."""
_POLL_S = 0.5
_IDLE_S = 10.0
_CHUNK_BYTES = 1 << 16
_RUN_S = 10.0
_NOT_FOUND = 404
_STATUS_CHANNEL = 3
_HANDSHAKE = re.compile(r"Handshake status (\d{3})")


class ApiUnreachable(SubstrateError):
    """The API server cannot be reached, or the connection broke."""


class LineStream(Protocol):
    """Lines of an answer that goes on."""

    def __iter__(self) -> Iterator[bytes]:
        """Yield each line with its end; a clean end of the answer ends the iteration.

        Raises:
            ApiUnreachable: the connection broke, or nothing came for some seconds.
        """

    def close(self) -> None:
        """End the iteration, also from another thread."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command in a container ended."""

    code: int | None
    """Its exit code; None where it could not be started."""
    output: str
    message: str = ""
    """What the container runtime said where it failed."""


class Objects(Protocol):
    """The objects of a cluster; every call has a limit."""

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """Return an object or a list.

        Raises:
            ApiError: the server refused.
            ApiUnreachable: the server stayed away.
        """

    def create(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object; once, whatever happens."""

    def replace(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Replace an object."""

    def patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Merge into an object."""

    def delete(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Delete an object."""


class Api(Objects, Protocol):
    """Everything that is called."""

    def stream(self, path: str, **query: str) -> LineStream:
        """Begin an answer that goes on."""

    def dial(self, namespace: str, pod: str, port: int) -> socket.socket:
        """Connect to a port on a pod's loopback interface."""

    def run(self, namespace: str, pod: str, container: str, command: Sequence[str]) -> Ran:
        """Run a command in a container and wait for its end.

        Raises:
            ApiError: the server refused; 404 where there is no such pod.
            ApiUnreachable: the server is away, or the command did not end in time.
        """


def path_of(
    resource: str, *, namespace: str | None = None, name: str | None = None, group: str = "v1"
) -> str:
    """Return the path of a resource, such as `pods` or `pods/NAME/eviction`."""
    parts = ["", "api" if "/" not in group else "apis", group]
    if namespace is not None:
        parts += ["namespaces", namespace]
    kind, _, sub = resource.partition("/")
    parts += [kind] + ([name] if name is not None else []) + ([sub] if sub else [])
    return "/".join(parts)


def delete_if_there(api: Objects, path: str, body: Mapping[str, Any] | None = None) -> bool:
    """Delete an object; return False where it is gone already."""
    try:
        api.delete(path, body)
    except ApiError as error:
        if error.status != _NOT_FOUND:
            raise
        return False
    return True


_Authorize = Callable[[dict[str, str], list[tuple[str, str]], str, str, Any], None]
"""Adds credentials to headers and query of a call: method, path, body."""


class HttpApi:
    """The API server behind a pool of connections."""

    def __init__(self, host: str, pool: urllib3.PoolManager, authorize: _Authorize) -> None:
        self._host = host
        self._has_answered = False
        self._pool = pool
        self._authorize = authorize

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """Return an object or a list; waits for a server that is away."""
        return self._patiently("GET", path, query=query)

    def create(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object; once, whatever happens."""
        return self._call("POST", path, body=body)

    def replace(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Replace an object."""
        return self._call("PUT", path, body=body)

    def patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Merge into an object; waits for a server that is away."""
        return self._patiently("PATCH", path, body=body)

    def delete(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Delete an object; waits for a server that is away."""
        return self._patiently("DELETE", path, body=body)

    def stream(self, path: str, **query: str) -> LineStream:
        """Begin an answer that goes on."""
        response = self._request("GET", path, query=query, stream=True)
        return _Lines(response)

    def try_out(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Have the server say what it would make of a new object; nothing is stored.

        Raises:
            ApiError: it would refuse it.
            ApiUnreachable: the server is away.
        """
        return self._call("POST", path, query={"dryRun": "All"}, body=body)

    def _patiently(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Repeat a call that does no harm twice while the server is away."""
        patience_s = AWAY_S if self._has_answered else _FIRST_S
        deadline = clock.Deadline(f"answer of {self._host}", patience_s)
        while True:
            try:
                return self._call(method, path, query=query, body=body)
            except ApiUnreachable as error:
                if deadline.passed:
                    # What has to be undone there is not waited for at length again.
                    self._has_answered = False
                    raise ApiUnreachable(f"{error} (for {patience_s:.0f} s)") from error
            except ApiError as error:
                if not error.may_pass or deadline.passed:
                    raise
            clock.pause(_POLL_S)

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        response = self._request(method, path, query=query, body=body)
        document: dict[str, Any] = msgspec.json.decode(response.data)
        return document

    def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        stream: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        import urllib3

        headers: dict[str, str] = {"Accept": "application/json, */*"}
        if body is not None:
            kind = "merge-patch+json" if method == "PATCH" else "json"
            headers["Content-Type"] = f"application/{kind}"
        queries = [(key, value) for key, value in (query or {}).items()]
        self._authorize(headers, queries, method, path, body)
        url = f"{self._host}{path}" + (f"?{urlencode(queries)}" if queries else "")
        try:
            response: urllib3.BaseHTTPResponse = self._pool.request(
                method,
                url,
                headers=headers,
                body=None if body is None else msgspec.json.encode(body),
                preload_content=not stream,
                retries=False,
                timeout=urllib3.Timeout(connect=_CALL_S, read=_IDLE_S if stream else _CALL_S),
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ApiUnreachable(
                f"the API server {self._host} cannot be reached: {error}"
            ) from error
        self._has_answered = True
        if response.status >= 400:
            raise refusal(method, path, response)
        return response


class KubernetesApi(HttpApi):
    """The API server of a context of the user's kubeconfig."""

    def __init__(self, context: str) -> None:
        """Read the kubeconfig; nothing is called yet.

        Raises:
            SubstrateError: the client is not installed.
            UsageError: there is no such context.
        """
        try:
            from kubernetes import client, config
        except ImportError as error:
            raise SubstrateError(
                "the Kubernetes client is missing; install it: pip install 'chaosml[kubernetes]'"
            ) from error
        configuration = client.Configuration()
        try:
            load: Any = config.load_kube_config
            # Named at each call: the client remembers what KUBECONFIG was when it was imported.
            files = os.environ.get("KUBECONFIG") or "~/.kube/config"
            load(config_file=files, context=context, client_configuration=configuration)
        except config.ConfigException as error:
            raise UsageError(
                f"no usable context {context!r} in the kubeconfig ({error}); "
                "`kubectl config get-contexts` lists what is there"
            ) from error
        self.context = context
        self._client = client
        self._api = client.ApiClient(configuration)
        super().__init__(configuration.host, self._api.rest_client.pool_manager, self._sign)

    def dial(self, namespace: str, pod: str, port: int) -> socket.socket:
        """Connect to a port on a pod's loopback interface.

        Raises:
            ApiUnreachable: the pod does not take connections (yet).
        """
        import websocket

        path = path_of("pods/portforward", namespace=namespace, name=pod)
        headers: dict[str, str] = {}
        queries = [("ports", str(port))]
        self._sign(headers, queries, "GET", path, None)
        try:
            return open_forward(
                f"{self._host}{path}?{urlencode(queries)}", headers, self._api.configuration
            )
        except (websocket.WebSocketException, OSError) as error:
            raise ApiUnreachable(f"no connection to port {port} of pod {pod}: {error}") from error

    def run(self, namespace: str, pod: str, container: str, command: Sequence[str]) -> Ran:
        """Run a command in a container and wait for its end.

        Raises:
            ApiError: the server refused; 404 where there is no such pod.
            ApiUnreachable: the server is away, or the command did not end in time.
        """
        from kubernetes.stream import stream

        core = self._client.CoreV1Api(self._client.ApiClient(self._api.configuration))
        try:
            connection = stream(
                core.connect_get_namespaced_pod_exec,
                pod,
                namespace,
                container=container,
                command=list(command),
                stdout=True,
                stderr=True,
                _preload_content=False,
            )
            try:
                connection.run_forever(timeout=_RUN_S)
                ended = not connection.is_open()
                # To read all forgets the single channels.
                status = connection.read_channel(_STATUS_CHANNEL)
                output = connection.read_all()
            finally:
                connection.close()
                # One that the server has closed keeps its socket.
                connection.sock.shutdown()
        except (self._client.ApiException, OSError) as error:
            raise _handshake_refusal(pod, str(error)) from error
        if not ended:
            raise ApiUnreachable(f"{command[0]} in pod {pod} did not end within {_RUN_S:g} s")
        return _ran(output, status)

    def _sign(
        self,
        headers: dict[str, str],
        queries: list[tuple[str, str]],
        method: str,
        path: str,
        body: Any,
    ) -> None:
        self._api.update_params_for_auth(headers, queries, ["BearerToken"], path, method, body)


def _handshake_refusal(pod: str, said: str) -> SubstrateError:
    """Return the error for a connection that was not upgraded: its status stands in the text."""
    status = _HANDSHAKE.search(said)
    if status is None:
        return ApiUnreachable(f"no command can be run in pod {pod}: {said}")
    return ApiError(int(status[1]), "", f"no command can be run in pod {pod}: {said}")


def _ran(output: str, status: str) -> Ran:
    try:
        said = msgspec.json.decode(status, type=_Status)
    except msgspec.MsgspecError:
        return Ran(None, output, status)
    if said.status == "Success":
        return Ran(0, output)
    causes = said.details.causes if said.details is not None else []
    codes = [cause.message for cause in causes if cause.reason == "ExitCode"]
    return Ran(int(codes[0]) if codes else None, output, said.message)


class _Cause(msgspec.Struct):
    reason: str = ""
    message: str = ""


class _Details(msgspec.Struct):
    causes: list[_Cause] = []


class _Status(msgspec.Struct):
    """What the API server sends when a command has ended."""

    status: str = ""
    message: str = ""
    details: _Details | None = None


class _Lines:
    """The lines of a response that is still coming."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        import urllib3

        rest = b""
        try:
            for chunk in self._response.stream(_CHUNK_BYTES, decode_content=True):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield line + b"\n"
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise ApiUnreachable(f"the stream broke: {error}") from error
        finally:
            self._response.close()
        if rest:
            yield rest

    def close(self) -> None:
        """End the iteration; a reader in another thread wakes up."""
        with contextlib.suppress(OSError, ValueError, RuntimeError, AttributeError):
            self._response.shutdown()
