"""How xdist deals the items of scenarios to its workers."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

__all__ = ["ScenarioScheduling"]


class ScenarioScheduling(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Deals a scenario whole and every other test by itself.

    Without it nothing goes wrong, but a worker waits idle while another one runs the
    scenario whose items both were given.
    """

    def _split_scope(self, nodeid: str) -> str:
        file, _, _ = nodeid.partition("::")
        return file if file.endswith((".yaml", ".yml")) else nodeid
