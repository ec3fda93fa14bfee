"""The timeline: attempts, lineage and outages, derived from a history.

history.read ─► build ─► Timeline ─► Analysis (lineage, outages, use of compute, store)
"""

from chaosml.timeline.collect import build
from chaosml.timeline.model import Timeline

__all__ = ["Timeline", "build"]
