"""The audit: what the store really holds once every pod is dead."""

from chaosml.audit.observe import audit, check_empty, observe

__all__ = ["audit", "check_empty", "observe"]
