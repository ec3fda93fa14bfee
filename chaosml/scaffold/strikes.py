"""Which faults a first scenario has: few, each at a place that was seen, and why there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from chaosml.scaffold.guesses import ArtifactGuess
from chaosml.scaffold.subject import Subject
from chaosml.scaffold.watched import Watched

__all__ = ["Strike", "choose", "explain", "quote"]

_COVERED = {
    "Always": frozenset({"gone", "seen"}),
    "OnFailure": frozenset({"seen"}),
    "OnError": frozenset({"gone"}),
    "OnTransientError": frozenset[str](),
    "Never": frozenset[str](),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """One entry of `faults`."""

    name: str
    inject: str
    when: str
    """As flow-style YAML."""
    says: str
    """What it asks of the pipeline."""
    options: str = ""
    """As flow-style YAML; empty for none."""
    views: tuple[str, ...] = ()


def choose(
    subject: Subject, watched: Watched | None, guesses: Sequence[ArtifactGuess]
) -> list[Strike]:
    """Return the faults: at steps where they are said, else at what is written, else by time."""
    claimed = None if watched is None else watched.steps.get(subject.training)
    saved = [one for one in guesses if one.role == "checkpoint" and one.writes]
    model = next((one for one in guesses if one.role == "model" and one.writes), None)
    if claimed is not None and claimed[1] - claimed[0] >= 4:
        places = _by_steps(*claimed)
    elif saved and saved[0].writes >= 2:
        places = _by_objects(saved[0])
    elif watched is not None:
        places = _by_time(watched.seconds.get(subject.training, 2.0))
    else:
        places = _by_start()
    found = _deaths(places)
    if saved and (saved[0].parts or saved[0].commit == "marker-last") and saved[0].writes >= 2:
        found.append(_between(saved[0]))
    if model is not None and model.task == subject.training:
        found.append(_before_model(model))
    if saved and saved[0].writes >= 2:
        found.append(_refused(saved[0]))
    return found


def explain(policy: str) -> str:
    """Return what a retry policy makes of the views, for a comment."""
    covered = _COVERED.get(policy, frozenset())
    if policy == "Never":
        return "no retryStrategy: the first death ends the workflow, so these trials should FAIL"
    lost = sorted({"gone", "seen"} - covered)
    if not lost:
        return f"retryPolicy {policy}: a deleted pod (Error) and a failed one (Failed) are retried"
    words = {"gone": "a deleted pod (Error)", "seen": "a failed one (Failed)"}
    named, verb = " and ".join(words[one] for one in lost), "is" if len(lost) == 1 else "are"
    return f"retryPolicy {policy}: {named} {verb} not retried, so trials with that view should FAIL"


def _by_steps(first: int, last: int) -> tuple[str, str, str]:
    low, high = first + (last - first) // 4, first + (last - first) * 3 // 4
    place = f"{{step: {{between: [{low}, {high}]}}, settled: true}}"
    where = f"at a step between {low} and {high} (the probe says them)"
    return place, place, where


def _by_objects(saved: ArtifactGuess) -> tuple[str, str, str]:
    nth = max(1, saved.writes // 2)
    first, last = quote(_searched(saved)), quote(_last_written(saved))
    put = "PutObject" if saved.marker is not None else saved.operation
    after = f"{{object: {{after: {put}, key: {last}, nth: {nth}}}, settled: true}}"
    before = (
        f"{{object: {{before: {saved.operation}, key: {first}, nth: {nth + 1}}}, settled: true}}"
    )
    return after, before, f"at checkpoint {nth} of the {saved.writes} that were seen"


def _by_time(seconds: float) -> tuple[str, str, str]:
    half = max(0.2, round(seconds / 2, 1))
    place = f"{{after: {half:g}s, settled: true}}"
    return (
        place,
        place,
        f"half-way through the {seconds:.1f} s that it took, as nothing else is known",
    )


def _by_start() -> tuple[str, str, str]:
    place = "{pod: running, settled: true}"
    return place, place, "as soon as it runs, since nothing is known of its places yet"


def _deaths(places: tuple[str, str, str]) -> list[Strike]:
    after, before, where = places
    return [
        Strike(
            name="reclaimed",
            inject="spot.reclaim",
            when=after,
            options="{provider: aws, notice: 120s, reaction: drain, capacity-returns-after: 1s}",
            views=("gone",),
            says=f"The cloud takes the machine back, {where}: SIGTERM, then the pod is gone.",
        ),
        Strike(
            name="killed",
            inject="container.kill",
            when=before,
            says="SIGKILL without notice, as by the OOM killer: what was not saved is lost.",
        ),
        Strike(
            name="replaced",
            inject="pod.delete",
            when=after,
            options="{force: true}",
            views=("restarted",),
            says="The pod is lost, and the same attempt gets a new one: {{retries}} stays.",
        ),
    ]


def _between(saved: ArtifactGuess) -> Strike:
    first = _exact(saved.parts[0]) if saved.parts else _searched(saved)
    nth = max(1, saved.writes // 2)
    return Strike(
        name="between-two-writes",
        inject="container.kill",
        when=(
            f"{{object: {{after: {saved.operation}, key: {quote(first)}, nth: {nth}}}, "
            "settled: true}"
        ),
        says="A save is several objects: killed after the first of them is stored.",
    )


def _before_model(model: ArtifactGuess) -> Strike:
    return Strike(
        name="before-the-model",
        inject="container.kill",
        when=(
            f"{{object: {{before: {model.operation}, key: {quote(_searched(model))}}}, "
            "settled: true}"
        ),
        says="Killed when the training is done and its model is not stored yet.",
    )


def _refused(saved: ArtifactGuess) -> Strike:
    nth = max(1, saved.writes // 2)
    return Strike(
        name="store-refuses",
        inject="storage.throttle",
        when=(
            f"{{object: {{after: {saved.operation}, key: {quote(_searched(saved))}, nth: {nth}}}}}"
        ),
        options="{for: 20s, first: 2}",
        says="The store says SlowDown to the next two requests; nobody is killed.",
    )


def _searched(one: ArtifactGuess) -> str:
    """Return the pattern as one that is searched in a key, without its names."""
    return "^" + re.sub(r"\(\?P<\w+>([^()]*)\)", r"\1", one.key) + "$"


def _last_written(one: ArtifactGuess) -> str:
    """Return the pattern of what makes a save complete: its last part, its marker, or itself."""
    if one.parts:
        return _exact(one.parts[-1])
    if one.marker is not None:
        return _exact(one.marker).replace("{step}", r"\d+")
    return _searched(one)


def _exact(key: str) -> str:
    return "^" + key.replace(".", r"\.") + "$"


def quote(text: str) -> str:
    """Return a text as a single-quoted YAML scalar."""
    return "'" + text.replace("'", "''") + "'"
