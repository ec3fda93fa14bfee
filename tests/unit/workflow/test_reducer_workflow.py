"""The workflow as a whole: exit handler, deadline, shutdown, variables."""

import datetime
import json

import pytest
from argo_run import Run, parse_workflow

from chaosml.workflow.protocol import CreatePod
from chaosml.workflow.reducer import start

WITH_EXIT = """
entrypoint: main
onExit: bye
arguments: {parameters: [{name: who, value: x}]}
templates:
- name: main
  dag: {tasks: [{name: a, template: pod}, {name: b, template: pod, depends: a}]}
- {name: pod, container: {image: i, command: [c]}}
- name: bye
  inputs: {parameters: [{name: who}]}
  container:
    image: i
    command: [c, "{{workflow.status}}", "{{workflow.failures}}", "{{workflow.duration}}"]
    args: ["{{inputs.parameters.who}}"]
"""


def test_the_exit_handler_runs_after_success_and_is_marked_as_such():
    run = Run(WITH_EXIT)
    run.complete("wf.a")
    run.complete("wf.b")
    assert run.finished is None
    spec = run.specs["wf.onExit"]
    assert spec.command == ("c", "Succeeded", '"[]"', "2.000000")
    assert spec.args == ("x",)
    assert spec.hooked
    assert spec.labels["workflows.argoproj.io/on-exit"] == "true"
    assert spec.task == "bye"
    assert run.vertex("wf.onExit").hooked
    assert not run.vertex("wf.a").hooked
    run.complete("wf.onExit")
    assert run.finished == ("Succeeded", "")


def test_the_exit_handler_is_told_what_failed():
    run = Run(WITH_EXIT)
    run.complete("wf.a", 143)
    _, status, failures, _ = run.specs["wf.onExit"].command
    assert status == "Failed"
    listed = json.loads(json.loads(failures))
    assert [failure["displayName"] for failure in listed] == ["wf", "a"]
    assert listed[1] == {
        "displayName": "a",
        "message": "main: Error (exit code 143)",
        "templateName": "pod",
        "phase": "Failed",
        "podName": run.pod("wf.a"),
        "finishedAt": "1970-01-01T00:00:01Z",
    }
    run.complete("wf.onExit")
    assert run.finished == ("Failed", "")


@pytest.mark.parametrize(
    ("death", "phase", "message"),
    [
        (lambda run: run.complete("wf.onExit", 1), "Failed", "main: Error (exit code 1)"),
        (lambda run: run.delete("wf.onExit"), "Error", "pod deleted"),
    ],
)
def test_a_failing_exit_handler_fails_a_workflow_that_had_succeeded(death, phase, message):
    run = Run(WITH_EXIT)
    run.complete("wf.a")
    run.complete("wf.b")
    death(run)
    assert run.finished == (phase, message)


def test_a_failed_main_part_keeps_its_phase_whatever_the_exit_handler_does():
    run = Run(WITH_EXIT)
    run.delete("wf.a")
    run.complete("wf.onExit", 1)
    assert run.finished == ("Error", "")


def test_an_exit_handler_can_be_a_dag_with_retries():
    run = Run(
        """
        entrypoint: pod
        onExit: bye
        templates:
        - {name: pod, container: {image: i, command: [c]}}
        - name: bye
          dag: {tasks: [{name: tell, template: again}]}
        - name: again
          retryStrategy: {limit: 1}
          container: {image: i, command: [c, "{{workflow.status}}"]}
        """
    )
    run.complete("wf", 1)
    run.complete("wf.onExit.tell(0)", 1)
    assert run.specs["wf.onExit.tell(1)"].command == ("c", "Failed")
    assert run.specs["wf.onExit.tell(1)"].hooked
    run.complete("wf.onExit.tell(1)")
    assert run.finished == ("Failed", "main: Error (exit code 1)")


DEADLINE = WITH_EXIT + "activeDeadlineSeconds: 60\n"


def test_the_deadline_fails_running_pods_and_lets_the_exit_handler_run():
    run = Run(DEADLINE)
    assert run.alarms == [60]
    run.running("wf.a")
    deadline = {v.name: v.value for v in run.specs["wf.a"].environment}["ARGO_DEADLINE"]
    assert deadline == "1970-01-01T00:01:00Z"
    run.tick(59)
    assert (run.phase("wf.a"), run.vertex("wf.a").message) == (
        "Failed",
        "Step exceeded its deadline",
    )
    assert run.stopped == [run.pod("wf.a")]
    assert run.phase("wf.b") == "Omitted"
    run.complete("wf.a", 143)
    assert run.vertex("wf.a").message == "Step exceeded its deadline"
    run.tick(60)
    run.complete("wf.onExit")
    assert run.finished == ("Failed", "")


def test_nothing_is_retried_after_the_deadline():
    run = Run(
        """
        entrypoint: main
        activeDeadlineSeconds: 60
        templates:
        - name: main
          retryStrategy: {limit: 9, retryPolicy: Always}
          container: {image: i, command: [c]}
        """
    )
    run.tick(60)
    assert run.shown("wf(0)")[-1] == ("Failed", "Step exceeded its deadline")
    assert run.finished == (
        "Failed",
        "retry exceeded workflow deadline 1970-01-01 00:01:00 +0000 UTC",
    )


def test_a_task_whose_turn_comes_after_the_deadline_gets_no_pod():
    run = Run(
        """
        entrypoint: main
        activeDeadlineSeconds: 60
        templates:
        - name: main
          dag: {tasks: [{name: a, template: pod}, {name: b, template: pod, depends: a.Failed}]}
        - {name: pod, container: {image: i, command: [c]}}
        """
    )
    run.tick(60)
    assert run.created == ["wf.a"]
    assert run.shown("wf.b") == [("Pending", ""), ("Failed", "Step exceeded its deadline")]
    assert run.finished == ("Failed", "")


def test_stop_fails_what_runs_and_still_runs_the_exit_handler():
    run = Run(WITH_EXIT)
    run.running("wf.a")
    run.stop("Stop")
    assert run.vertex("wf.a").message == "workflow shutdown with strategy:  Stop"
    assert run.stopped == [run.pod("wf.a")]
    assert run.phase("wf") == "Failed"
    assert run.created == ["wf.a", "wf.onExit"]
    run.complete("wf.onExit")
    assert run.finished == ("Failed", "Stopped with strategy 'Stop'")


def test_terminate_runs_no_exit_handler():
    run = Run(WITH_EXIT)
    run.running("wf.a")
    run.stop("Terminate")
    assert run.finished == ("Failed", "Stopped with strategy 'Terminate'")
    assert not run.has("wf.onExit")


def test_terminate_ends_a_running_exit_handler():
    run = Run(WITH_EXIT)
    run.complete("wf.a")
    run.complete("wf.b")
    run.running("wf.onExit")
    run.stop("Terminate")
    assert run.stopped == [run.pod("wf.onExit")]
    assert run.finished is not None


def test_a_stopped_retry_says_so_and_is_not_repeated():
    run = Run(
        """
        entrypoint: main
        templates:
        - name: main
          retryStrategy: {limit: 9, retryPolicy: Always}
          container: {image: i, command: [c]}
        """
    )
    run.running("wf(0)")
    run.stop("Stop")
    assert run.vertex("wf").message == "Stopped with strategy 'Stop'"
    assert run.finished == ("Failed", "Stopped with strategy 'Stop'")


def test_later_steps_do_not_begin_after_a_stop():
    run = Run(
        """
        entrypoint: main
        templates:
        - name: main
          steps: [[{name: a, template: pod}], [{name: b, template: pod}]]
        - {name: pod, container: {image: i, command: [c]}}
        """
    )
    run.running("wf[0].a")
    run.stop("Stop")
    assert run.phase("wf[0].a") == "Failed"
    assert not run.has("wf[1].b")
    assert run.finished == ("Failed", "Stopped with strategy 'Stop'")


def test_the_workflow_names_itself_and_its_parameters():
    variables = (
        "{{workflow.name}} {{workflow.uid}} {{workflow.namespace}} {{workflow.mainEntrypoint}} "
        "{{workflow.labels.team}} {{workflow.annotations.note}} {{workflow.parameters.a}} "
        "{{workflow.parameters.b}} {{workflow.parameters.json}}"
    )
    run = Run(
        f"""
        entrypoint: main
        arguments:
          parameters: [{{name: a, value: "1"}}, {{name: b, value: "{{{{workflow.name}}}}-b"}}]
        templates:
        - name: main
          inputs: {{parameters: [{{name: a}}]}}
          container: {{image: i, command: ['{variables}', "{{{{inputs.parameters.a}}}}"]}}
        """,
        parameters={"a": "2"},
        metadata="name: wf, namespace: ml, labels: {team: t}, annotations: {note: n}",
    )
    assert run.specs["wf"].command == (
        'wf uid-1 ml main t n 2 wf-b [{"name":"a","value":"2"},{"name":"b","value":"wf-b"}]',
        "2",
    )


def test_the_wall_clock_is_given_and_not_read():
    workflow = parse_workflow(
        """
        entrypoint: main
        templates:
        - name: main
          container:
            image: i
            command: ["{{workflow.creationTimestamp}}", "{{workflow.creationTimestamp.RFC3339}}"]
            args: ["{{workflow.creationTimestamp.s}} {{workflow.creationTimestamp.Y}}"]
        """
    )
    created_at = datetime.datetime(2026, 11, 24, 22, 15, tzinfo=datetime.UTC)
    reduction = start(workflow, name="wf", uid="u", parameters={}, at_ns=9, created_at=created_at)
    (command,) = reduction.commands
    assert isinstance(command, CreatePod)
    assert command.spec.command == ("2026-11-24 22:15:00 +0000 UTC", "2026-11-24T22:15:00Z")
    assert command.spec.args == (f"{int(created_at.timestamp())} 2026",)
