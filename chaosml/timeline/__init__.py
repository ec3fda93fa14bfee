"""Attempts, lineage, outages and artifacts, derived from a history in one pass."""
