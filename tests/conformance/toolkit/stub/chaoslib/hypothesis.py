"""Tolerances: equality, and a range."""


def within_tolerance(tolerance, value, configuration, secrets):
    if isinstance(tolerance, list):
        return tolerance[0] <= value <= tolerance[1]
    return value == tolerance
