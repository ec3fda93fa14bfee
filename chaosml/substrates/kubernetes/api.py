"""The Kubernetes API as this substrate needs it: JSON objects by path, and streams of lines.

The official client reads the kubeconfig and makes the connections; objects stay
plain JSON, because a watch of thousands of pods has no use for typed copies of them.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import urlencode

import msgspec

from chaosml import clock
from chaosml.errors import SubstrateError, UsageError

if TYPE_CHECKING:
    import urllib3

__all__ = ["Api", "ApiError", "ApiUnreachable", "KubernetesApi", "LineStream", "path_of"]

_CALL_S = 10.0
_PATIENCE_S = 20.0
_POLL_S = 0.5
_IDLE_S = 10.0
_CHUNK_BYTES = 1 << 16


class ApiError(SubstrateError):
    """The API server refused a call."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        self.status = status
        self.reason = reason
        super().__init__(message)


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


class Api(Protocol):
    """Calls of the API; every one has a limit."""

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

    def stream(self, path: str, **query: str) -> LineStream:
        """Begin an answer that goes on."""

    def dial(self, namespace: str, pod: str, port: int) -> socket.socket:
        """Connect to a port on a pod's loopback interface."""


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


class KubernetesApi:
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
        self._host = configuration.host
        self._pool = self._api.rest_client.pool_manager

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

    def dial(self, namespace: str, pod: str, port: int) -> socket.socket:
        """Connect to a port on a pod's loopback interface.

        Raises:
            ApiUnreachable: the pod does not take connections (yet).
        """
        from kubernetes.stream import portforward

        core = self._client.CoreV1Api(self._client.ApiClient(self._api.configuration))
        try:
            forward = portforward(
                core.connect_get_namespaced_pod_portforward, pod, namespace, ports=str(port)
            )
        except (self._client.ApiException, OSError) as error:
            raise ApiUnreachable(f"no connection to port {port} of pod {pod}: {error}") from error
        # The client wraps a real socket only to ignore TCP options, which nobody sets here.
        return cast("socket.socket", forward.socket(port)._socket)

    def _patiently(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Repeat a call that does no harm twice while the server is away."""
        deadline = clock.Deadline(f"answer of {self._host}", _PATIENCE_S)
        while True:
            try:
                return self._call(method, path, query=query, body=body)
            except ApiUnreachable:
                if deadline.passed:
                    raise
            except ApiError as error:
                if error.status < 500 or deadline.passed:
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
        self._api.update_params_for_auth(headers, queries, ["BearerToken"], path, method, body)
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
        if response.status >= 400:
            raise _refusal(method, path, response)
        return response


def _refusal(method: str, path: str, response: urllib3.BaseHTTPResponse) -> ApiError:
    try:
        said = msgspec.json.decode(response.data)
    except msgspec.MsgspecError:
        said = {}
    reason = str(said.get("reason", "")) if isinstance(said, dict) else ""
    message = str(said.get("message", "")) if isinstance(said, dict) else ""
    text = f"the API server refused {method} {path}: {response.status} {message or reason}"
    return ApiError(response.status, reason, text.rstrip())


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
