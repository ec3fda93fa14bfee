"""Faults at places that were seen, and a document that loads whatever was guessed."""

import pathlib

import pytest

from chaosml import runner
from chaosml.scaffold.guesses import ArtifactGuess, guess
from chaosml.scaffold.scenario_text import Draft, render
from chaosml.scaffold.strikes import choose, explain
from tests.unit.scaffold.seen import numbered, subject, watched, write

WORKFLOW = """\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: t-}
spec:
  entrypoint: train
  arguments: {parameters: [{name: bucket, value: b}]}
  templates:
    - name: train
      retryStrategy: {limit: "2", retryPolicy: Always}
      container: {image: "train:local", command: [python, train.py]}
"""


def whens(seen):
    return {one.name: one.when for one in choose(subject(), seen, guess(seen))}


def test_steps_that_the_trainer_says_are_the_places():
    found = whens(watched(*numbered(), steps=(1, 40)))
    assert found["killed"] == "{step: {between: [10, 30]}, settled: true}"


def test_without_steps_the_places_are_the_writes_in_the_middle():
    found = whens(watched(*numbered()))
    key = r"'^t/ckpt/step-\d+\.npz$'"
    assert found["reclaimed"] == (
        f"{{object: {{after: PutObject, key: {key}, nth: 2}}, settled: true}}"
    )
    assert found["killed"] == (
        f"{{object: {{before: PutObject, key: {key}, nth: 3}}, settled: true}}"
    )
    assert "between-two-writes" not in found


def test_a_save_of_several_objects_is_struck_between_them_and_when_it_is_complete():
    found = whens(watched(*numbered(marker=True)))
    assert r"step-\d+\.npz$" in found["between-two-writes"]
    assert r"step-\d+\.done\.json$" in found["reclaimed"]


def test_without_saves_the_place_is_a_time():
    found = whens(watched(write("model.npz", 9.0), seconds=9.0))
    assert found["killed"] == "{after: 4.5s, settled: true}"


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ("Never", "no retryStrategy"),
        ("Always", "a deleted pod (Error) and a failed one (Failed) are retried"),
        ("OnFailure", "a deleted pod (Error) is not retried"),
        ("OnError", "a failed one (Failed) is not retried"),
        ("OnTransientError", "a deleted pod (Error) and a failed one (Failed) are not retried"),
    ],
)
def test_what_a_retry_policy_makes_of_the_views_is_said(policy, words):
    assert words in explain(policy)


def document(folder, seen, artifacts):
    (folder / "workflow.yaml").write_text(WORKFLOW)
    text = render(
        Draft(
            subject=subject(pathlib.Path("workflow.yaml")),
            file="train.chaos.yaml",
            workflow="workflow.yaml",
            watched=seen,
            artifacts=artifacts,
            strikes=choose(subject(), seen, artifacts),
        )
    )
    path = folder / "train.chaos.yaml"
    path.write_text(text)
    return path, text


@pytest.mark.parametrize(
    "seen",
    [
        None,
        watched(*numbered()),
        watched(*numbered(marker=True), steps=(1, 40)),
        watched(write("a b/it's.npz", 1.0), write("a b/it's.npz", 2.0), seconds=0.1),
        watched(write("only.json", 1.0)),
    ],
)
def test_what_is_written_can_be_planned_and_marks_its_guesses(tmp_path, seen):
    path, text = document(tmp_path, seen, [] if seen is None else guess(seen))
    _, planned = runner.plan(path, runner.RunOptions())
    assert len(planned.cases) >= 3
    assert "GUESS" in text
    assert ("lost-steps: {at-most: 10}" in text) == (seen is not None and bool(seen.steps))


def test_lines_fit_a_screen_and_every_artifact_says_its_reason(tmp_path):
    one = ArtifactGuess(role="model", key="m", reasons=("because " * 30,))
    _, text = document(tmp_path, None, [one])
    assert max(map(len, text.splitlines())) < 100
    assert "GUESS model: because" in text
