"""Commands and workflow files, read before anything is run."""

import os
import pathlib

import pytest

from chaosml.errors import ScenarioError, UsageError
from chaosml.scaffold.hints import hint
from chaosml.scaffold.training_command import TrainingCommand, read_environment
from chaosml.scaffold.workflow_file import as_workflow, read_subject
from chaosml.workflow import load

CRON = """\
apiVersion: argoproj.io/v1alpha1
kind: CronWorkflow
metadata: {name: nightly}
spec:
  schedules: ["0 3 * * *"]
  workflowSpec:
    entrypoint: fit
    arguments: {parameters: [{name: bucket, value: ml}]}
    templates:
      - name: fit
        container: {image: "r/t:1", command: [python, fit.py]}
"""
TEMPLATE = """\
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: trainer}
spec:
  entrypoint: fit
  arguments: {parameters: [{name: s3-bucket, value: ml}, {name: run-id, value: x}]}
  templates:
    - name: fit
      container: {image: "r/t:1", command: [python, fit.py]}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "train.py").write_text("")
    return tmp_path


def parse(folder, *argv, name=None, **environment):
    return TrainingCommand.parse(argv, environment, folder, name)


def test_a_command_becomes_a_workflow_that_runs_embedded(folder):
    command = parse(folder, "python3", "train.py", "--out", "{store}", CKPT="{bucket}/{run}")
    file = folder / "workflow.yaml"
    file.write_text(command.workflow())
    loaded = load.load(file)
    template = loaded.model.template("train")
    assert template.container.command[1:] == (
        "train.py",
        "--out",
        "s3://{{workflow.parameters.bucket}}/train",
    )
    assert template.container.env[0].value == (
        "{{workflow.parameters.bucket}}/{{workflow.parameters.run}}"
    )
    assert loaded.retry_policies() == {"train": "Always"}
    file.write_text(command.workflow(retried=False))
    assert load.load(file).retry_policies() == {"train": "Never"}


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (("python3", "train.py"), "train"),
        (("python3", "-m", "my_pkg.Fine_Tune", "--x"), "fine-tune"),
        (("sh", "./run.sh"), "run"),
        (("python3", "-c"), "train"),
    ],
)
def test_a_command_is_named_by_its_script_or_module(folder, argv, name):
    assert parse(folder, *argv).name == name


def test_everything_that_is_wrong_with_a_command_is_said_at_once(folder):
    with pytest.raises(UsageError) as caught:
        parse(folder, "no-such-program", "{storr}", "{{x}}")
    message = str(caught.value)
    assert "nothing is put in for {storr}; there are {bucket}, {run}, {store}" in message
    assert "Argo takes {{…}} for a variable of its own" in message
    assert "'no-such-program': there is no such program on your PATH" in message


def test_the_interpreter_beside_a_program_stands_for_the_image(folder):
    for name in ("python", "torchrun"):
        program = folder / "venv" / "bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text("#!/bin/sh\n")
        os.chmod(program, 0o755)
    command = parse(folder, "venv/bin/torchrun", "train.py")
    subject = command.subject(folder / "w.yaml", folder / "s.yaml")
    (image,) = subject.images
    assert (image.python, image.folder) == ("venv/bin/python", ".")


def test_variables_are_pairs():
    assert read_environment(["A=1", "B="]) == {"A": "1", "B": ""}
    with pytest.raises(UsageError, match="is not NAME=VALUE"):
        read_environment(["A"])


def write(folder, text, name="file.yaml"):
    path = folder / name
    path.write_text(text)
    return path


def test_a_cron_workflow_becomes_a_workflow(folder):
    converted = as_workflow(write(folder, CRON))
    subject = read_subject(write(folder, converted.text, "w.yaml"), "cron", "file.yaml")
    assert [(one.name, one.policy) for one in subject.tasks] == [("fit", "Never")]
    assert (subject.bucket, subject.training, subject.why_training) == (
        "bucket",
        "fit",
        "by its name",
    )


def test_a_template_becomes_a_workflow_that_refers_to_it_and_its_problems_stay_in_place(folder):
    converted = as_workflow(write(folder, TEMPLATE))
    subject = read_subject(write(folder, converted.text, "w.yaml"), "t", "file.yaml")
    assert (subject.bucket, subject.run_id) == ("s3-bucket", "run-id")
    broken = TEMPLATE.replace("      container:", "      sidecars: []\n      container:")
    converted = as_workflow(write(folder, broken))
    with pytest.raises(ScenarioError) as caught:
        read_subject(write(folder, converted.text, "w.yaml"), "t", "file.yaml")
    (home,) = {converted.at_home(problem).line for problem in caught.value.problems}
    assert broken.splitlines()[home - 1].strip() == "sidecars: []"


def test_a_kubeflow_package_is_refused_with_what_can_be_done(folder):
    package = "root: {dag: {tasks: {}}}\ndeploymentSpec: {executors: {}}\n"
    with pytest.raises(ScenarioError, match=r"chaosml init -- python train\.py"):
        as_workflow(write(folder, package))


def test_a_workflow_without_a_bucket_is_told_each_place_that_names_one(folder):
    text = TEMPLATE.replace("WorkflowTemplate", "Workflow").replace("s3-bucket", "bill")
    text = text.replace("fit.py]", 's3://prod/ckpt, "s3://{{workflow.parameters.bill}}/x"]')
    with pytest.raises(ScenarioError) as caught:
        read_subject(write(folder, text), "t", "file.yaml")
    messages = [problem.message for problem in caught.value.problems]
    assert messages[0].startswith("no parameter carries the bucket (there are: bill, run-id)")
    assert messages[1:] == [
        "s3://prod/ckpt: names its bucket; write s3://{{workflow.parameters.bucket}}/…"
    ]


def test_the_text_of_a_workflow_hints_at_artifacts():
    found = hint(
        [
            ("train", "--ckpt=checkpoints/{{inputs.parameters.run}}/last.npz"),
            ("train", "s3://{{workflow.parameters.bucket}}/models/final.safetensors"),
            ("train", "s3://{{workflow.parameters.bucket}}/metrics/"),
            ("train", "/etc/config.json --seed 7"),
        ]
    )
    assert [(one.role, one.key, one.format) for one in found] == [
        ("checkpoint", r"checkpoints/[^/]+/last\.npz", "npz"),
        ("metrics", "metrics/.+", "bytes"),
        ("model", r"models/final\.safetensors", "safetensors"),
    ]


@pytest.mark.parametrize(
    "pipeline", sorted((pathlib.Path(__file__).parents[3] / "scenarios/pipelines").glob("*.yaml"))
)
def test_every_reference_pipeline_can_be_read(pipeline):
    subject = read_subject(pipeline, "p", pipeline.name)
    assert (subject.training, subject.bucket) == ("train", "bucket")
    assert not [note for note in subject.notes if "no program" in note]
