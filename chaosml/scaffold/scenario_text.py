"""The scenario document, with comments that teach each field and mark each guess."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chaosml.scaffold.guesses import ArtifactGuess
from chaosml.scaffold.strikes import Strike, explain, quote
from chaosml.scaffold.subject import Subject
from chaosml.scaffold.watched import Watched

__all__ = ["Draft", "render"]

_WIDTH = 96
_HEAD = """\
# Does {name} survive the loss of its machine?
#
#   chaosml run {file}
#
# Written by `chaosml init` for {source}
# What it could not know is marked GUESS, with the reason: look at it, then delete the mark.
apiVersion: chaosml.dev/v1
kind: Scenario
metadata:
  name: {name}
"""
_ARTIFACTS = """\
  # What the pipeline leaves in its bucket. `key` is a regular expression for the whole key; its
  # group `step` is the step whose state the object holds. Key by key: docs/artifact-contract.md
"""
_NO_ARTIFACTS = """\
  # GUESS: nothing in the file says what the pipeline stores, so nothing of it is judged yet but
  # whether it succeeds. Run `chaosml init --watch`, or write the entries yourself:
  #   - {role: checkpoint, key: 'ckpt/step-(?P<step>\\d+)\\.npz', format: npz}
  #   - {role: model, key: 'model\\.npz', format: npz}
"""
_FAULTS = """\
# Each entry strikes one execution of its own, under each of its views: what Argo gets to see of
# the death. `settled` waits, where Argo is real, until the pod is shown Running. docs/faults.md
"""
_CLAIMED = """\
  lost-steps: {{at-most: {steps}}}    # GUESS: one checkpoint interval; the probe says the steps
"""
_SILENT = """\
  # lost-steps: {at-most: 20}    # needs steps: three lines of probe (docs/instrumenting.md).
  # Without them `resume` compares the final state, and what each attempt read and saved; which
  # step went wrong stays unknown.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Everything that the document says."""

    subject: Subject
    file: str
    """As the user calls it."""
    workflow: str
    """Relative to the scenario."""
    watched: Watched | None
    artifacts: Sequence[ArtifactGuess]
    strikes: Sequence[Strike]
    registry: str | None = None


def render(draft: Draft) -> str:
    """Return the document."""
    subject = draft.subject
    parts = [
        _HEAD.format(name=subject.name, file=draft.file, source=_one_line(subject.source)),
        "\n",
        *_pipeline(draft),
        "\n",
        _FAULTS,
        *_comment(explain(subject.policy(subject.training)), 0, f"GUESS {subject.training}: "),
        "faults:\n",
        "\n".join(_strike(subject.training, strike) for strike in draft.strikes),
        "\n",
        *_numbers(draft),
        *_expectations(draft),
        *_embedded(subject),
    ]
    return "".join(parts)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _comment(text: str, indent: int, first: str = "") -> list[str]:
    lead = " " * indent + "# "
    lines = textwrap.wrap(
        first + text, _WIDTH - len(lead), break_long_words=False, break_on_hyphens=False
    )
    return [f"{lead}{line}\n" for line in lines]


def _pipeline(draft: Draft) -> Iterable[str]:
    subject = draft.subject
    yield "pipeline:\n"
    yield f"  workflow: {_plain(draft.workflow)}    # relative to this file\n"
    yield "  # Parameters that carry the identity of an execution: each has a bucket of its own.\n"
    carried = {"bucket": subject.bucket, "run-id": subject.run_id, "registry": subject.registry}
    given = ", ".join(f"{key}: {name}" for key, name in carried.items() if name is not None)
    yield f"  isolate: {{{given}}}\n"
    others = {
        name: value for name, value in subject.parameters.items() if name not in carried.values()
    }
    if others:
        yield "  # Other parameters keep the workflow's values; take one in to change it here.\n"
        yield "  # parameters:\n"
        yield from (f"  #   {name}: {quote(_one_line(value))}\n" for name, value in others.items())
    yield from _comment(subject.why_training, 2, "GUESS: ")
    yield f"  training-task: {subject.training}\n"
    if len(subject.tasks) > 1:
        yield "  # Its tasks, each of which a fault can target:\n"
        yield from (
            f"  #   {one.name}: retryPolicy {one.policy}, {_one_line(one.command)[:60]}\n"
            for one in subject.tasks
        )
    yield "\n"
    if not draft.artifacts:
        yield _NO_ARTIFACTS
        return
    yield _ARTIFACTS
    yield "  artifacts:\n"
    for artifact in draft.artifacts:
        yield from _artifact(artifact)
    if draft.registry is not None:
        yield f"  registry: {quote(draft.registry)}    # GUESS: by its name\n"


def _artifact(one: ArtifactGuess) -> Iterable[str]:
    yield from _comment("; ".join(one.reasons), 4, f"GUESS {one.role}: ")
    for doubt in one.doubts:
        yield from _comment(doubt, 4, "LOOK: ")
    yield f"    - role: {one.role}\n"
    yield f"      key: {quote(one.key)}\n"
    yield f"      format: {one.format}\n"
    if one.commit != "single-object":
        yield f"      commit: {one.commit}\n"
    if one.marker is not None:
        yield f"      marker: {quote(one.marker)}\n"
    if one.parts:
        yield f"      parts: [{', '.join(map(quote, one.parts))}]\n"
    if one.final_step is not None:
        yield f'      final-step: "{one.final_step}"    # the last one that was seen\n'


def _strike(task: str, one: Strike) -> str:
    lines = [
        *_comment(one.says, 2),
        f"  - name: {one.name}\n",
        f"    inject: {one.inject}\n",
        f"    target: {{task: {task}}}\n",
        f"    when: {one.when}\n",
    ]
    if one.options:
        lines.append(f"    with: {one.options}\n")
    if one.views:
        lines.append(f"    views: [{', '.join(one.views)}]\n")
    return "".join(lines)


def _duration(draft: Draft) -> float:
    if draft.watched is None:
        return 60.0
    return max(sum(draft.watched.seconds.values()), 1.0)


def _numbers(draft: Draft) -> Iterable[str]:
    deadline_s = math.ceil((60 + 6 * _duration(draft)) / 60) * 60
    yield "seed: 7                # decides places that are drawn, and the order of the cases\n"
    yield "controls: 2            # undisturbed executions; a third runs where a trial differs\n"
    yield f"deadline: {deadline_s // 60}m           # of one execution\n\n"


def _expectations(draft: Draft) -> Iterable[str]:
    mttr_s = math.ceil((30 + 2 * _duration(draft)) / 10) * 10
    yield "expect:\n"
    yield "  outcome: Succeeded\n"
    yield "  resume: auto           # exactly the state of undisturbed executions is reached\n"
    yield "  corruption: none       # nothing torn, mixed, stale or half-trained was published\n"
    yield f"  mttr: {{at-most: {mttr_s}s}}   # GUESS: from the strike until it is made good\n"
    steps = None if draft.watched is None else draft.watched.steps.get(draft.subject.training)
    if steps is None:
        yield _SILENT
        return
    saves = max((one.writes for one in draft.artifacts if one.role == "checkpoint"), default=0)
    interval = steps[1] - steps[0] + 1 if not saves else math.ceil(steps[1] / saves)
    yield _CLAIMED.format(steps=interval)


def _embedded(subject: Subject) -> Iterable[str]:
    given = [one for one in subject.images if one.python or one.folder]
    default = [one for one in subject.images if not (one.python or one.folder)]
    if not given and not default and not subject.secrets:
        return
    yield "\n# Where pods are local processes: what stands for their images.\n"
    if default:
        names = ", ".join(one.name for one in default)
        yield from _comment(
            f"{names}: the Python that runs chaosml. Another one: images: "
            "{'NAME*': {python: path/to/bin/python}}",
            0,
            "GUESS ",
        )
    if not given and not subject.secrets:
        return
    yield "embedded:\n"
    if given:
        yield "  images:\n"
    for one in given:
        inside = {"python": one.python, "folder": one.folder}
        said = ", ".join(f"{key}: {_plain(text)}" for key, text in inside.items() if text)
        if one.folder:
            yield "    # Each pod has a copy of the folder to work in, which dies with the pod.\n"
        yield f"    {quote(one.name)}: {{{said}}}\n"
    if subject.secrets:
        yield "  # Secrets that containers read, and the variable of yours that has the value.\n"
        yield "  secrets:\n"
        for name, keys in subject.secrets.items():
            said = ", ".join(f"{key}: {_variable(name, key)}" for key in keys)
            yield f"    {name}: {{{said}}}\n"


def _variable(secret: str, key: str) -> str:
    return "".join(one if one.isalnum() else "_" for one in f"{secret}_{key}").upper()


def _plain(text: str) -> str:
    """Return a path as YAML: plain where that is safe."""
    return text if all(one.isalnum() or one in "-_./" for one in text) else quote(text)
