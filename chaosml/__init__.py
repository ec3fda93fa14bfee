"""Chaos testing for ML pipelines: proves that a pipeline resumes, or names the defect."""

__all__ = ["discover"]


def discover(discover_system: bool = True) -> object:
    """Return what `chaos discover chaosml` shows: the functions in `chaosml.chaostoolkit`.

    The Chaos Toolkit looks for this name in the package; nothing else calls it.

    Raises:
        ImportError: the Chaos Toolkit is not installed.
    """
    # By name: the extension is an extra, and nobody imports it.
    import importlib

    return importlib.import_module("chaosml.chaostoolkit").discover(discover_system)
