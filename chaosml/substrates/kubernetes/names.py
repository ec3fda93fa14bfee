"""Names of what chaosml keeps in a namespace, for those who make it and those who look for it."""

__all__ = ["ACCOUNT", "LEASE", "OWNER"]

ACCOUNT = "chaosml-janitor"
"""Service account of janitors; `chaosml doctor` prints what to create."""

LEASE = "chaosml"
"""The Lease that keeps two runs apart."""

OWNER = "chaosml.dev/owner"
"""Annotation of the Lease with the process that holds it."""
