"""Tolerances: what a probe's value must be, as `{type: probe, provider: {type: python, …}}`."""

__all__ = ["is_empty", "is_one_of", "passed"]


def passed(value: object = None) -> bool:
    """Whether a status is PASS; anything that is no status is none.

    Args:
        value: What `run_status` or `expectation_status` returned.
    """
    return value == "PASS"


def is_one_of(statuses: list, value: object = None) -> bool:  # type: ignore[type-arg]
    """Whether a status is one of those that are accepted.

    Args:
        statuses: Such as `["PASS", "UNKNOWN"]`.
        value: What `run_status` or `expectation_status` returned.
    """
    return value in statuses


def is_empty(value: object = None) -> bool:
    """Whether a list is there and empty, such as that of `invalid_injections`.

    Args:
        value: What the probe returned.
    """
    return isinstance(value, list) and not value
