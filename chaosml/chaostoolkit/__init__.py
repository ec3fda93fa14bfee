"""The extension of the Chaos Toolkit: `actions`, `probes` and `tolerances` for experiments.

Nothing of chaosml imports it, and importing it needs the toolkit (`chaosml[chaostoolkit]`, for
Python 3.12 or later). `activity` is what calls functions of other extensions for
`inject: chaostoolkit`, in a process of its own.
"""

try:
    import chaoslib  # noqa: F401 - only whether it is there
except ImportError as error:
    raise ImportError(
        "chaosml.chaostoolkit needs the Chaos Toolkit: pip install 'chaosml[chaostoolkit]' "
        "(Python 3.12 or later)"
    ) from error

__all__ = ["discover"]


def discover(discover_system: bool = True) -> dict[str, object]:
    """Return the activities of this extension, as `chaos discover` shows them.

    Args:
        discover_system: Whether the system should be looked at, too; nothing is.
    """
    import importlib.metadata

    from chaoslib.discovery.discover import (
        discover_actions,
        discover_probes,
        initialize_discovery_result,
    )

    version = importlib.metadata.version("chaosml")
    found = dict(initialize_discovery_result("chaosml", version, "ml-pipelines"))
    found["activities"] = [
        *discover_actions(f"{__name__}.actions"),
        *discover_probes(f"{__name__}.probes"),
    ]
    return found
