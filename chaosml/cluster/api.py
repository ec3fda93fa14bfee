"""The Kubernetes API in plain documents: the one place here that imports its client.

The client library is an extra and takes a while to import, so it is imported when
the first connection is made. Its errors become ours: an answer that is not a success
keeps its status, everything else (no connection, no credentials) is a `SubstrateError`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from chaosml.cluster import kind
from chaosml.errors import SubstrateError, UsageError

__all__ = ["Answer", "Api", "connect", "connect_kind", "contexts", "require_client"]

_ANSWER_S = 10.0
_MANAGER = "chaosml"
_MISSING = "the Kubernetes client for Python is not installed: pip install 'chaosml[kubernetes]'"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API said to a request."""

    status: int
    body: dict[str, Any]

    @property
    def succeeded(self) -> bool:
        """Whether the API did what was asked."""
        return 200 <= self.status < 300

    @property
    def message(self) -> str:
        """The API's own words for a refusal."""
        return str(self.body.get("message") or f"status {self.status}")


class _NoDiscovery:
    """Stands for the client's table of resources: paths are given, so none is asked for."""

    def __init__(self, client: Any, cache_file: str | None) -> None:
        pass


class Api:
    """A connection to one API server."""

    def __init__(self, client: Any, where: str) -> None:
        from kubernetes.dynamic import DynamicClient

        self.where = where
        """Whose API it is, for messages: `context kind-chaosml`."""
        self._client = DynamicClient(client, discoverer=_NoDiscovery)

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        query: Sequence[tuple[str, str]] = (),
        limit_s: float = _ANSWER_S,
    ) -> Answer:
        """Send a request and return the answer, whatever its status.

        Raises:
            SubstrateError: no answer came.
        """
        import urllib3.exceptions
        from kubernetes.client.exceptions import ApiException

        try:
            response = self._client.request(
                method,
                path,
                body=None if body is None else dict(body),
                content_type=content_type,
                query_params=list(query),
                serialize=False,
                _request_timeout=limit_s,
            )
            status, data = response.status, response.data
        except ApiException as error:
            status, data = error.status or 0, error.body
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise SubstrateError(f"{self.where}: the API does not answer: {error}") from error
        return Answer(status, _document(data))

    def follow(
        self, path: str, query: Sequence[tuple[str, str]], limit_s: float
    ) -> Iterator[dict[str, Any]]:
        """Read documents as they come, one a line, until the server ends the answer.

        Args:
            path: What to read.
            query: Its parameters, such as `watch`.
            limit_s: How long the server may be silent.

        Raises:
            SubstrateError: the server refused, or the connection broke.
        """
        import urllib3.exceptions
        from kubernetes.client.exceptions import ApiException

        try:
            response = self._client.request(
                "get",
                path,
                query_params=list(query),
                serialize=False,
                _request_timeout=(_ANSWER_S, limit_s),
            )
            rest = b""
            for chunk in response.stream():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield _document(line)
        except ApiException as error:
            said = _document(error.body).get("message", error.reason)
            raise SubstrateError(f"{self.where}: reading {path} was refused: {said}") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise SubstrateError(f"{self.where}: the stream of {path} broke: {error}") from error

    def get(self, path: str, query: Sequence[tuple[str, str]] = ()) -> dict[str, Any]:
        """Read a document.

        Raises:
            SubstrateError: it could not be read.
        """
        return self._expect(self.ask("get", path, query=query), f"reading {path}")

    def find(self, path: str) -> dict[str, Any] | None:
        """Read a document; None if it does not exist.

        Raises:
            SubstrateError: it could not be read for another reason.
        """
        answer = self.ask("get", path)
        return None if answer.status == 404 else self._expect(answer, f"reading {path}")

    def create(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create a document in a collection.

        Raises:
            SubstrateError: the API refused it.
        """
        return self._expect(self.ask("post", path, body), f"creating a document in {path}")

    def apply(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Make the cluster hold a document, whether it did before or not.

        Raises:
            SubstrateError: the API refused it, or does not know its kind.
        """
        answer = self.ask(
            "patch",
            self.path_of(document),
            document,
            content_type="application/apply-patch+yaml",
            query=[("fieldManager", _MANAGER), ("force", "true")],
        )
        name = document["metadata"]["name"]
        return self._expect(answer, f"applying {document['kind']} {name}")

    def path_of(self, document: Mapping[str, Any]) -> str:
        """Return the path of a document, as the server's own list of resources says.

        Raises:
            SubstrateError: the server does not know its kind.
        """
        group_version = document["apiVersion"]
        root = f"/apis/{group_version}" if "/" in group_version else f"/api/{group_version}"
        for resource in self.get(root)["resources"]:
            if resource["kind"] == document["kind"] and "/" not in resource["name"]:
                metadata = document["metadata"]
                namespace = (
                    f"/namespaces/{metadata.get('namespace', 'default')}"
                    if resource["namespaced"]
                    else ""
                )
                return f"{root}{namespace}/{resource['name']}/{metadata['name']}"
        raise SubstrateError(f"{self.where}: no kind {document['kind']} in {group_version}")

    def _expect(self, answer: Answer, what: str) -> dict[str, Any]:
        if answer.succeeded:
            return answer.body
        advice = {
            401: "; the credentials of this context are not accepted: log in to the cluster again",
            403: "; `chaosml doctor` lists the permissions that a run needs",
        }.get(answer.status, "")
        raise SubstrateError(f"{self.where}: {what} was refused: {answer.message}{advice}")


def _document(data: bytes | str | None) -> dict[str, Any]:
    try:
        document = json.loads(data or "{}")
    except ValueError:
        document = None
    if isinstance(document, dict):
        return document
    text = data.decode(errors="replace") if isinstance(data, bytes) else data
    return {"message": (text or "").strip()}


def require_client() -> None:
    """See to it that clusters can be asked at all, before their silence is taken for an answer.

    Raises:
        SubstrateError: the client is not installed.
    """
    _library()


def contexts() -> list[str]:
    """Return the names of the contexts in the user's kubeconfig; none if there is no such file.

    Raises:
        UsageError: the kubeconfig is no YAML.
        SubstrateError: the client is not installed.
    """
    config = _library().config
    try:
        listed, _ = config.list_kube_config_contexts(_kubeconfig())
    except config.ConfigException:
        return []
    except (yaml.YAMLError, OSError, ValueError) as error:
        said = " ".join(str(error).split())
        raise UsageError(f"the kubeconfig cannot be read: {said}") from error
    return [context["name"] for context in listed]


def connect(context: str) -> Api:
    """Connect to the cluster of a context of the user's kubeconfig.

    Raises:
        UsageError: there is no such context.
        SubstrateError: the client is not installed, or cannot use the context.
    """
    library = _library()
    known = contexts()
    if context not in known:
        there = f"; there are {', '.join(known)}" if known else ": the kubeconfig names none"
        raise UsageError(f"no context {context!r}{there}")
    try:
        client = library.config.new_client_from_config(
            _kubeconfig(),
            context=context,
            client_configuration=_configuration(),
            persist_config=False,
        )
    except (library.config.ConfigException, OSError) as error:
        raise SubstrateError(f"context {context} cannot be used: {error}") from error
    return Api(client, f"context {context}")


def connect_kind(cluster: str) -> Api:
    """Connect to a kind cluster by the credentials that kind knows, whatever kubeconfig says.

    Raises:
        SubstrateError: it has no credentials, or the client is not installed.
    """
    library = _library()
    credentials = kind.kubeconfig(cluster)
    client = library.config.new_client_from_config_dict(
        credentials, client_configuration=_configuration(), persist_config=False
    )
    return Api(client, f"context {kind.context(cluster)}")


def _kubeconfig() -> str:
    """Return the user's files; the client itself remembers those of when it was imported."""
    return os.environ.get("KUBECONFIG") or "~/.kube/config"


def _configuration() -> Any:
    configuration = _library().client.Configuration()
    # Whoever waits for the API here asks again by itself, with a limit.
    configuration.retries = False
    return configuration


def _library() -> Any:
    try:
        import kubernetes.client
        import kubernetes.config
    except ImportError as error:
        raise SubstrateError(_MISSING) from error
    return kubernetes
