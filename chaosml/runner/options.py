"""What a caller asks of a run and what it gets back."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from chaosml.verdict import Judgement

__all__ = ["RunOptions", "RunResult"]


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
    store_url: str | None = None
    """An S3 endpoint to use instead of the embedded store."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """The verdict of a run and where everything lies."""

    judgement: Judgement
    directory: pathlib.Path
