"""What becomes of a vertex when its pod runs, ends, or is gone."""

import copy

import pytest
from argo_run import SECOND, Run, parse_workflow

from chaosml.workflow.protocol import EnvironmentVariable, PodRunning, PodVanished
from chaosml.workflow.reducer import has_file_outputs, reduce, start, tasks

ONE_POD = """
entrypoint: main
templates:
- name: main
  container: {image: img, command: [run]}
"""

WITH_OUTPUT = """
entrypoint: main
templates:
- name: main
  outputs: {parameters: [{name: o, valueFrom: {path: /tmp/out/o.txt}}]}
  container: {image: img, command: [run]}
"""


def test_a_pod_is_created_seen_pending_running_and_succeeds():
    run = Run(ONE_POD)
    assert run.pod("wf") == "wf"
    run.pending("wf", "Unschedulable: 0/1 nodes are available")
    run.running("wf")
    run.complete("wf")
    assert run.shown("wf") == [
        ("Pending", ""),
        ("Pending", "Unschedulable: 0/1 nodes are available"),
        ("Running", ""),
        ("Succeeded", ""),
    ]
    assert run.finished == ("Succeeded", "")
    assert run.vertex("wf").exit_code == "0"
    assert run.vertex("wf").node == "node-1"


@pytest.mark.parametrize(
    ("seen", "phase", "message"),
    [
        ({"code": 143}, "Failed", "main: Error (exit code 143)"),
        ({"code": 1, "message": "boom"}, "Failed", "main: Error (exit code 1): boom"),
        ({"code": 0, "pod_message": "The node was low on resource"}, "Failed", "The node was low"),
        ({"code": 137, "pod_message": "evicted", "message": "x"}, "Failed", "evicted"),
    ],
)
def test_a_terminated_pod_fails_its_vertex_with_argos_message(seen, phase, message):
    run = Run(ONE_POD)
    run.running("wf")
    run.complete("wf", **seen)
    assert run.phase("wf") == phase
    assert run.vertex("wf").message.startswith(message)
    assert run.finished == (phase, run.vertex("wf").message)


def test_a_missing_output_file_is_an_error_of_the_wait_container():
    run = Run(WITH_OUTPUT)
    run.running("wf")
    run.complete("wf")
    assert run.finished == (
        "Error",
        "wait: Error (exit code 64): open /var/run/argo/outputs/parameters/tmp/out/o.txt: "
        "no such file or directory",
    )


def test_a_failed_main_container_hides_the_missing_output_and_keeps_those_that_are_there():
    run = Run(WITH_OUTPUT)
    run.complete("wf", 143)
    assert run.finished == ("Failed", "main: Error (exit code 143)")
    run = Run(WITH_OUTPUT)
    run.complete("wf", 143, outputs={"o": "x"})
    assert dict(run.vertex("wf").outputs) == {"o": "x"}


def test_a_missing_output_file_with_a_default_is_no_error():
    run = Run(WITH_OUTPUT.replace("o.txt}", "o.txt, default: none}"))
    run.complete("wf")
    assert run.finished == ("Succeeded", "")
    assert dict(run.vertex("wf").outputs) == {"o": "none"}


def test_a_running_pod_that_vanishes_is_an_error():
    run = Run(ONE_POD)
    run.delete("wf")
    assert run.finished == ("Error", "pod deleted")
    assert run.vertex("wf").exit_code is None
    assert run.created == ["wf"]


def test_a_pod_that_vanishes_while_pending_is_recreated_without_a_retry():
    run = Run(ONE_POD)
    run.vanish("wf")
    assert run.created == ["wf", "wf"]
    assert run.shown("wf") == [("Pending", "")]
    run.running("wf")
    run.complete("wf")
    assert run.finished == ("Succeeded", "")


@pytest.mark.parametrize("retry", ["", "  retryStrategy: {limit: 1, retryPolicy: Always}"])
def test_a_pod_that_goes_without_grace_is_restarted_as_the_same_attempt(retry):
    run = Run(ONE_POD.rstrip() + "\n" + retry)
    name = "wf(0)" if retry else "wf"
    first = run.specs[name]
    run.running(name)
    run.vanish(name, graceless=True)
    assert run.specs[name] is first
    run.running(name)
    run.complete(name)
    assert run.created == [name, name]
    assert run.shown(name) == [
        ("Pending", ""),
        ("Running", ""),
        ("Error", "pod deleted"),
        ("Pending", "pod deleted"),
        ("Running", "pod deleted"),
        ("Succeeded", "pod deleted"),
    ]
    assert run.finished is not None
    assert run.finished[0] == "Succeeded"


def test_reasons_for_pending_replace_the_old_message_and_go_when_the_pod_runs():
    run = Run(ONE_POD)
    run.running("wf")
    run.vanish("wf", graceless=True)
    run.pending("wf", "Unschedulable: x")
    run.running("wf")
    assert run.vertex("wf").message == ""


def test_what_is_observed_after_a_vertex_has_ended_changes_nothing():
    run = Run(ONE_POD + "onExit: main")
    run.complete("wf", 1)
    before = run.vertex("wf")
    run.complete("wf", 0)
    run.vanish("wf")
    assert run.vertex("wf") == before
    assert run.finished is None
    run.complete("wf.onExit")
    assert run.finished == ("Failed", "main: Error (exit code 1)")
    run.tick(100)
    assert run.vertex("wf") == before


def test_an_observation_of_an_unknown_pod_is_refused_by_name():
    run = Run(ONE_POD)
    with pytest.raises(ValueError, match=r"no pod .* called 'other' \(its pods: wf\)"):
        run.observe(PodRunning("other", SECOND))


def test_reduce_changes_no_argument_and_repeats_itself():
    workflow = parse_workflow(WITH_OUTPUT)
    first = start(workflow, name="wf", uid="u", parameters={}, at_ns=5)
    again = start(workflow, name="wf", uid="u", parameters={}, at_ns=5)
    assert first == again
    kept = copy.deepcopy(first.state)
    observation = PodVanished("wf", 7, graceless=True)
    assert reduce(first.state, observation) == reduce(first.state, observation)
    assert first.state == kept


EVERYTHING = """
entrypoint: main
arguments: {parameters: [{name: grace, value: 12}]}
podSpecPatch: '{"terminationGracePeriodSeconds": 99}'
podMetadata: {labels: {team: ml}}
nodeSelector: {pool: a}
volumes: [{name: scratch, emptyDir: {}}]
templates:
- name: main
  activeDeadlineSeconds: "30"
  podSpecPatch: 'terminationGracePeriodSeconds: {{workflow.parameters.grace}}'
  metadata: {labels: {app: "{{workflow.name}}"}, annotations: {note: hi}}
  outputs: {parameters: [{name: o, valueFrom: {path: /tmp/o, default: d}}]}
  script:
    image: "img:{{workflow.parameters.grace}}"
    command: [python]
    source: "print('{{pod.name}} {{outputs.parameters.o.path}} {{node.name}}')"
    workingDir: /work
    env:
    - {name: PLAIN, value: "{{workflow.uid}}"}
    - {name: SECRET, valueFrom: {secretKeyRef: {name: s3, key: token}}}
    - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
    volumeMounts: [{name: scratch, mountPath: /scratch}]
    lifecycle: {preStop: {exec: {command: [sh, -c, "sync {{workflow.name}}"]}}}
    resources: {requests: {cpu: 500m}}
"""


def test_a_pod_has_everything_that_its_template_says():
    run = Run(EVERYTHING)
    spec = run.specs["wf"]
    assert (spec.image, spec.command, spec.script) == (
        "img:12",
        ("python",),
        "print('wf /tmp/o wf')",
    )
    assert (spec.grace_s, spec.deadline_s, spec.requested_cpu) == (12.0, 30.0, 0.5)
    assert spec.environment[:3] == (
        EnvironmentVariable("PLAIN", value="uid-1"),
        EnvironmentVariable("SECRET", secret=("s3", "token")),
        EnvironmentVariable("NODE", field="spec.nodeName"),
    )
    argo = {variable.name: variable.value for variable in spec.environment[3:]}
    assert argo == {
        "ARGO_CONTAINER_NAME": "main",
        "ARGO_NODE_ID": "wf",
        "ARGO_INCLUDE_SCRIPT_OUTPUT": "false",
        "ARGO_DEADLINE": "0001-01-01T00:00:00Z",
        "ARGO_WORKFLOW_NAME": "wf",
        "ARGO_TERMINATION_GRACE_PERIOD_SECONDS": "12",
    }
    assert spec.working_directory == "/work"
    assert spec.mounts == {"/scratch": "scratch"}
    assert spec.pre_stop == ("sh", "-c", "sync wf")
    assert spec.labels == {
        "team": "ml",
        "app": "wf",
        "workflows.argoproj.io/workflow": "wf",
        "workflows.argoproj.io/completed": "false",
    }
    assert spec.annotations["note"] == "hi"
    assert spec.annotations["workflows.argoproj.io/node-name"] == "wf"
    assert spec.node_selector == {"pool": "a"}
    assert [(file.name, file.path, file.default) for file in spec.output_files] == [
        ("o", "/tmp/o", "d")
    ]
    assert (spec.task, spec.attempt, spec.hooked) == ("main", 0, False)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("podSpecPatch: 'terminationGracePeriodSeconds: soon'", "a whole number of seconds"),
        ("podSpecPatch: '[1]'", "is not a mapping"),
        ("podSpecPatch: '{'", "Invalid podSpecPatch"),
        ("activeDeadlineSeconds: '{{workflow.name}}'", "must be a positive integer, not 'wf'"),
        ("nodeSelector: {a: '{{workflow.nothing}}'}", "failed to resolve {{workflow.nothing}}"),
    ],
)
def test_a_pod_that_cannot_be_made_ends_the_workflow_in_error(line, message):
    run = Run(ONE_POD.rstrip() + f"\n  {line}")
    assert run.finished is not None
    assert run.finished[0] == "Error"
    assert run.finished[1].startswith("error in entry template execution: ")
    assert message in run.finished[1]
    assert run.phase("wf") == "Error"


def test_a_planner_learns_which_tasks_are_pods_and_which_of_them_write_outputs():
    workflow = parse_workflow(
        """
        entrypoint: main
        onExit: bye
        templates:
        - name: main
          dag: {tasks: [{name: train, template: pod}, {name: after, template: inner}]}
        - name: inner
          steps: [[{name: check, template: plain}], [{name: publish, template: pod}]]
        - name: pod
          outputs: {parameters: [{name: o, valueFrom: {path: /o}}]}
          container: {image: i, command: [c]}
        - {name: plain, container: {image: i, command: [c]}}
        - {name: bye, container: {image: i, command: [c]}}
        - {name: unused, container: {image: i, command: [c]}}
        """
    )
    assert tasks(workflow) == ("train", "check", "publish", "bye")
    assert has_file_outputs(workflow, "train")
    assert has_file_outputs(workflow, "publish")
    assert not has_file_outputs(workflow, "check")
    assert not has_file_outputs(workflow, "unused")
