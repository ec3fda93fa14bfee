"""Which templates are retried under which policy."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.argo import Manifest, Retry, Template

__all__ = ["POLICIES", "policies", "retries"]

POLICIES = ("Always", "OnFailure", "OnError", "OnTransientError")


def retries(manifest: Manifest) -> Iterator[tuple[Template, Retry]]:
    """Yield every template that is retried, with its strategy."""
    for template in manifest.templates:
        if template.retry is not None:
            yield template, template.retry


def policies(manifest: Manifest, policy: str) -> Iterator[tuple[Template, Retry]]:
    """Yield the templates for which Argo decides by this policy."""
    for template, retry in retries(manifest):
        if retry.policy == policy:
            yield template, retry
