"""Why a run may not speak for today: it is old, or what it was made from has changed since."""

from __future__ import annotations

import datetime
import functools
import pathlib
import shlex

import yaml

from chaosml.scorecard.card import started
from chaosml.scorecard.reading import Found

__all__ = ["reasons"]

_SIZE_MAX = 4 << 20


def reasons(
    found: Found, *, now: datetime.datetime, older_than_s: float, version: str
) -> tuple[str, ...]:
    """Return why a run is stale, as sentences; empty for a fresh one.

    The scenario and the workflow that the replay command names are compared with the copies
    in the run directory, as far as both are there.

    Args:
        found: The run.
        now: The time that its age is counted to.
        older_than_s: The age from which on it is stale.
        version: The chaosml that is installed.
    """
    said = [_age(found, now, older_than_s), _version(found, version), *_sources(found)]
    return tuple(one for one in said if one)


def _age(found: Found, now: datetime.datetime, older_than_s: float) -> str:
    began = started(found.judgement.run)
    if began is None or (now - began).total_seconds() <= older_than_s:
        return ""
    days = (now - began).total_seconds() / 86_400
    return f"it is {days:.0f} days old" if days >= 2 else f"it is {days * 24:.0f} hours old"


def _version(found: Found, version: str) -> str:
    made_by = found.judgement.versions.get("chaosml")
    if made_by is None or made_by == version:
        return ""
    return f"chaosml {made_by} made it and {version} is installed"


def _sources(found: Found) -> list[str]:
    scenario, pipeline = _named(found.judgement.replay)
    if scenario is None:
        return []
    said = []
    then, now = _text(found.path / "scenario.yaml"), _text(scenario)
    if then is not None and now is not None and then != now:
        said.append(f"{scenario} has changed since")
    workflow = pipeline or (None if now is None else _workflow_of(scenario, now))
    then = _text(found.path / "workflow.yaml")
    now = None if workflow is None else _text(workflow)
    if then is not None and now is not None and then != now:
        said.append(f"{workflow} has changed since")
    return said


def _named(replay: str) -> tuple[pathlib.Path | None, pathlib.Path | None]:
    """Return the scenario and the pipeline that a replay command names."""
    try:
        words = shlex.split(replay)
    except ValueError:
        return None, None
    if words[:2] != ["chaosml", "run"] or len(words) < 3:
        return None, None
    pipeline = None
    if "--pipeline" in words[:-1]:
        pipeline = pathlib.Path(words[words.index("--pipeline") + 1])
    return pathlib.Path(words[2]), pipeline


@functools.lru_cache(maxsize=256)
def _workflow_of(scenario: pathlib.Path, text: bytes) -> pathlib.Path | None:
    """Return the workflow that a scenario names; many runs name the same scenario."""
    try:
        named = yaml.load(text, Loader=yaml.CSafeLoader)["pipeline"]["workflow"]
    except (yaml.YAMLError, KeyError, TypeError, ValueError):
        # It is no sound scenario any more, which `_sources` has said as a change.
        return None
    return scenario.parent / named if isinstance(named, str) else None


def _text(path: pathlib.Path) -> bytes | None:
    """Return what a file holds; None where there is no ordinary file that can be read."""
    try:
        if not path.is_file() or path.stat().st_size > _SIZE_MAX:
            return None
        return path.read_bytes()
    except (OSError, ValueError):
        return None
