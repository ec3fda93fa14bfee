"""Figures of finished runs on a cluster: wall time over its executions' own, trigger to strike.

    chaosml run scenarios/spot.yaml --on kind --reports reports
    python benchmarks/cluster.py reports/spot/latest …

Read from the run's directory alone. The wall time reaches from the plan to the verdicts.
An approximate trigger (`after`, `pod: running`) is due so long after the harness has seen
the attempt start; it is answered when the API has acknowledged the first call of the fault.
"""

from __future__ import annotations

import json
import math
import pathlib
import sys
from collections.abc import Iterator
from typing import Any

LIMIT_RATIO, LIMIT_MS = 1.15, 500.0


def events_of(history: pathlib.Path) -> list[dict[str, Any]]:
    """Return the events of a history, in order."""
    with open(history, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def span_s(events: list[dict[str, Any]]) -> float:
    """Return the seconds between the first and the last event of an execution."""
    return float(events[-1]["latest_ns"] - events[0]["earliest_ns"]) / 1e9


def wall_s(run: pathlib.Path) -> float:
    """Return the seconds between the plan, which is written first, and the verdicts."""
    begun, ended = ((run / name).stat().st_mtime for name in ("scenario.yaml", "verdict.json"))
    return ended - begun


def delays_ms(plan: list[dict[str, Any]], events: list[dict[str, Any]]) -> Iterator[float]:
    """Yield how long each approximate trigger of an execution took to be answered."""
    for planned in plan:
        place = planned["place"]
        if place["kind"] not in ("after", "pod"):
            continue
        applied = [
            event["latest_ns"]
            for event in events
            if event["data"]["kind"] == "injection-applied"
            and event["data"]["injection"] == planned["injection"]
        ]
        seen_ns = _seen_ns(events, planned["task"], planned["attempt"])
        if applied and seen_ns is not None:
            yield (applied[0] - seen_ns) / 1e6 - 1000 * (place.get("after_s") or 0.0)


def _seen_ns(events: list[dict[str, Any]], task: str, attempt: int) -> int | None:
    """Return when the harness saw an attempt start."""
    pods = {
        event["data"]["uid"]
        for event in events
        if event["data"]["kind"] == "pod-created"
        and (event["data"]["task"], event["data"]["attempt"]) == (task, attempt)
    }
    starts = [
        event["latest_ns"]
        for event in events
        if event["data"]["kind"] == "pod-started" and event["data"]["uid"] in pods
    ]
    return min(starts, default=None)


def planned_in(run: pathlib.Path) -> dict[str, list[dict[str, Any]]]:
    """Return the planned injections of each execution, by its folder."""
    plan = json.loads((run / "plan.json").read_text(encoding="utf-8"))
    return {f"trials/{one['trial']}": one["injections"] for one in plan["trials"]}


def measure(run: pathlib.Path) -> tuple[float, list[float]]:
    """Print the figures of a run; return its ratio and its delays."""
    plan, spans, delays = planned_in(run), [], []
    for history in sorted(run.glob("*/[0-9]*/history.jsonl")):
        events = events_of(history)
        spans.append(span_s(events))
        folder = f"{history.parent.parent.name}/{history.parent.name}"
        delays += delays_ms(plan.get(folder, []), events)
    total_s, ratio = wall_s(run), wall_s(run) / sum(spans)
    print(
        f"{run}: {len(spans)} executions of {sum(spans):.1f} s in {total_s:.1f} s, "
        f"ratio {ratio:.3f} (limit {LIMIT_RATIO:g})"
    )
    return ratio, delays


def p95(values: list[float]) -> float:
    """Return the smallest value that 95 of 100 do not exceed."""
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


def main(runs: list[str]) -> int:
    """Measure every run; return 0 where all limits hold."""
    if not runs:
        print(__doc__, file=sys.stderr)
        return 2
    found = [measure(pathlib.Path(run).resolve()) for run in runs]
    holds = all(ratio <= LIMIT_RATIO for ratio, _ in found)
    delays = [delay for _, of_run in found for delay in of_run]
    if delays:
        holds = holds and p95(delays) <= LIMIT_MS
        print(
            f"trigger to acknowledgement: {len(delays)} approximate triggers, "
            f"p95 {p95(delays):.0f} ms (limit {LIMIT_MS:.0f}), longest {max(delays):.0f} ms"
        )
    else:
        print("trigger to acknowledgement: no approximate trigger in these runs")
    print(f"limits: {'held' if holds else 'broken'}")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
