"""What a caller asks of a run and what it gets back."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from chaosml.cluster import kind
from chaosml.cluster.options import NAMESPACE
from chaosml.errors import UsageError
from chaosml.store.owner import Place
from chaosml.verdict import Judgement

__all__ = ["RunOptions", "RunResult"]

_SUBSTRATES = ("embedded", "kind", "cluster")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """Choices of the caller that override the scenario."""

    pipeline: pathlib.Path | None = None
    """Another Workflow document for the same scenario."""
    trials: int | None = None
    seed: int | None = None
    set_values: Mapping[str, str] = field(default_factory=dict)
    """Dotted path in the scenario to a YAML value, as `--set` takes it."""
    reports: pathlib.Path = pathlib.Path("reports")
    on: str = "embedded"
    """`embedded`, `kind` or `cluster`."""
    context: str | None = None
    """Context of the kubeconfig; `cluster` has no default."""
    namespace: str | None = None
    cluster: str = "chaosml"
    """Name of the kind cluster."""
    image: str | None = None
    """Image of the services in a cluster."""
    toxiproxy_image: str | None = None
    """Image of Toxiproxy in a cluster."""
    store_url: str | None = None
    """An S3 endpoint to use instead of the embedded store."""
    prefix: str = "--"
    """How the caller's options begin, for messages."""

    @property
    def place(self) -> Place | None:
        """Where in which cluster it happens; None if embedded.

        Raises:
            UsageError: no such substrate, or `cluster` without a context.
        """
        if self.on not in _SUBSTRATES:
            raise UsageError(
                f"unknown substrate {self.on!r}; this version has: {', '.join(_SUBSTRATES)}"
            )
        namespace = self.namespace or NAMESPACE
        if self.on == "kind":
            context = self.context or kind.context(self.cluster)
            return Place(on="kind", context=context, namespace=namespace, cluster=self.cluster)
        if self.on != "cluster":
            return None
        if self.context is None:
            raise UsageError(
                f"name the context: {self.prefix}on cluster {self.prefix}context NAME; none is "
                "taken by default, because faults would strike there (`kubectl config "
                "get-contexts` lists what is there)"
            )
        return Place(on="cluster", context=self.context, namespace=namespace)


@dataclass(frozen=True, slots=True)
class RunResult:
    """The verdict of a run and where everything lies."""

    judgement: Judgement
    directory: pathlib.Path
    unreachable: str | None = None
    """What a real Argo showed and our reducer cannot reach; None where there is nothing."""
