"""What every report of a sweep says, in words."""

from __future__ import annotations

from collections.abc import Sequence

from chaosml.reports.wording import count, duration, printable
from chaosml.sweep.result import Failure, SweepReport
from chaosml.verdict import Status

__all__ = ["also_at", "coverage", "effects", "headline", "kills", "speed", "unreached", "verdict"]

_SHOWN_MAX = 6


def verdict(report: SweepReport) -> str:
    """Return the verdict in one word."""
    return "INTERRUPTED" if report.interrupted else report.status.value


def headline(report: SweepReport) -> str:
    """Return the report in one sentence."""
    hit = f"{report.tested.points_hit} of {count(report.tested.points, 'point')}"
    if report.interrupted:
        return f"stopped after {hit}; what was tested until then is judged below"
    if report.status is Status.PASS:
        return f"recovery from a crash holds at {hit}"
    causes = dict.fromkeys(
        f"{one.checker}: {one.cause}" for one in report.failures if one.status is report.status
    )
    causes |= dict.fromkeys(
        f"{one.checker}: {one.cause} undisturbed"
        for one in report.controls
        if one.status is report.status
    )
    if any(one.status is report.status for one in report.kills):
        causes["kills: landed elsewhere"] = None
    if report.tested.outside and report.status is Status.UNKNOWN:
        causes["state outside of the recording"] = None
    named = ", ".join(causes) or "nothing was tested"
    if report.status is Status.FAIL:
        first = next((one for one in report.failures if one.status is Status.FAIL), None)
        where = "" if first is None else f"; first at point {first.point}, {first.place}"
        return printable(f"{named}{where}; {hit} tested")
    return printable(f"nothing is proved at {hit}: {named}")


def coverage(report: SweepReport) -> str:
    """Return what was hit of what was recorded."""
    tested = report.tested
    views = ", ".join(report.views)
    return (
        f"{tested.points_hit} of {count(tested.points, 'point')}, {tested.states_hit} of "
        f"{count(tested.states, 'state')}, deaths seen as {views}"
    )


def effects(report: SweepReport) -> str:
    """Return what was recorded, by operation."""
    found = [f"{number} {name}" for name, number in report.tested.effects.items()]
    return printable(", ".join(found)) or "no durable effect"


def unreached(report: SweepReport) -> list[str]:
    """Return what was not hit, points of one reason together."""
    grouped: dict[str, list[str]] = {}
    for name, why in report.tested.unreached.items():
        grouped.setdefault(why, []).append(name)
    lines = [f"{_some(names)}: {why}" for why, names in grouped.items()]
    return [printable(line) for line in [*lines, *report.tested.outside]]


def _some(names: Sequence[str]) -> str:
    shown = "; ".join(names[:_SHOWN_MAX])
    more = len(names) - _SHOWN_MAX
    return f"{shown} and {more} more" if more > 0 else shown


def also_at(failure: Failure) -> str:
    """Return the other points of a failure."""
    others = [str(number) for number in failure.points if number != failure.point]
    if not others:
        return ""
    shown = ", ".join(others[:20])
    return f"{shown}, …" if len(others) > 20 else shown


def kills(report: SweepReport) -> str:
    """Return how the real kills compare with the built states."""
    if not report.kills:
        return "none; --kills N holds a sample of real kills against the built states"
    landed = sum(one.status is Status.PASS for one in report.kills)
    return f"{landed} of {count(len(report.kills), 'real kill')} landed in a state that was built"


def speed(report: SweepReport) -> str:
    """Return how fast states were executed, as far as this process executed any."""
    if report.wall_s <= 0 or not report.workers:
        return ""
    return f"{duration(report.wall_s)} with {count(report.workers, 'worker')}"
