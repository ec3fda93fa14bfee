"""What single rules take for sound and what not, where their examples are not enough."""

import json
import pathlib

import pytest

from chaosml.lint.engine import examine
from chaosml.lint.rules import rules

PATH = pathlib.Path("pipeline.yaml")
HEAD = "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {generateName: t-}\n"


def messages(rule, spec):
    text = HEAD + "spec: " + json.dumps(spec) + "\n"
    found = examine(text, PATH, {rule: rules()[rule]})
    assert not found.problems, found.problems
    return [finding.message for finding in found.open]


def one(**template):
    return {"entrypoint": "train", "templates": [{"name": "train", **template}]}


def script(shell, text):
    return one(container={"image": "a", "command": [shell, "-c"], "args": [text]})


# Measured: dash 0.5.12 and bash 5.2 given SIGTERM as a process group, with a program behind
# them that needs a second to save.
@pytest.mark.parametrize(
    ("shell", "text", "cut_off"),
    [
        ("sh", "python train.py", True),
        ("dash", "python train.py; echo done", True),
        ("sh", "true && python train.py", True),
        ("sh", "exec python train.py", False),
        ("sh", "mkdir -p /a && exec python train.py", False),
        ("bash", "python train.py", False),
        ("bash", "cd /a; python train.py", False),
        ("bash", "set -e\npython train.py", False),
        ("bash", "set -e\npython train.py --a \\\n  --b # last\n", False),
        ("bash", "SEED=7 python train.py", False),
        ("bash", "python train.py > log 2>&1", True),
        ("bash", "time python train.py", True),
        ("bash", "if true; then python train.py; fi", True),
        ("bash", "for seed in 1 2; do python train.py; done", True),
        ("bash", "python train.py; echo done", True),
        ("bash", "python train.py && echo done", True),
        ("bash", "python train.py | tee log", True),
        ("bash", "set -e\npython train.py\necho x", True),
        ("/bin/bash", "torchrun --nproc 8 train.py > log 2>&1\ncp log /out", True),
        ("bash", "trap 'kill $P; wait' TERM; python train.py & P=$!; wait $P", False),
        ("sh", "echo 'python train.py'", False),
        ("sh", "# python train.py\necho done", False),
        ("sh", "SEED=7 nohup python train.py", True),
        ("sh", "pip install x && python -m pip list && python -c 'print(1)'", False),
        ("sh", "cat <<EOF\npython train.py\nEOF", False),
        ("python", "train.py", False),
    ],
)
def test_a_shell_is_in_front_where_it_ends_before_the_program(shell, text, cut_off):
    assert bool(messages("shell-in-front", script(shell, text))) == cut_off


def test_a_shell_that_reads_a_file_never_becomes_its_last_command():
    for text, cut_off in (("python train.py", True), ("exec python train.py", False)):
        source = one(script={"image": "a", "command": ["bash"], "source": text})
        assert bool(messages("shell-in-front", source)) == cut_off


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("python train.py || true", True),
        ("python train.py || exit 0", True),
        ("python train.py\nexit 0", True),
        ("set -e\npython train.py\nexit 0", False),
        ("mkdir /a || true; python train.py", False),
        ("python train.py || exit 1", False),
        ("trap 'save; exit 0' SIGTERM; python train.py", True),
        ("trap 'save; exit 143' TERM; python train.py", False),
        ("trap 'exit 0' EXIT; python train.py", False),
    ],
)
def test_a_failure_is_hidden_where_the_exit_code_is_made_up(text, hidden):
    assert bool(messages("failure-hidden", script("bash", text))) == hidden


@pytest.mark.parametrize(
    ("expression", "missed"),
    [
        ('lastRetry.exitCode not in ["2", "64"]', None),
        ("asInt(lastRetry.exitCode) != 2", None),
        ('lastRetry.message matches "pod deleted|imminent node shutdown"', "143"),
        ('lastRetry.status == "Error" or asInt(lastRetry.exitCode) in [137, 143]', "255"),
        ('lastRetry.status == "Failed"', "a deleted pod"),
        ("lastRetry.exitCode == 143", "a pod seen to end with 143"),
        ("lastRetry.exitCode > 1", "fails for"),
        ("somethingOfArgo(lastRetry)", None),
        ("{{inputs.parameters.retry}} == 1", None),
    ],
)
def test_a_retry_expression_is_evaluated_for_every_death(expression, missed):
    strategy = {"limit": 3, "retryPolicy": "Always", "expression": expression}
    found = messages("retry-expression-misses-deaths", one(container={}, retryStrategy=strategy))
    assert (missed in found[0]) if missed else not found


def test_an_expression_without_a_policy_means_always():
    strategy = {"limit": 3, "expression": "true"}
    assert not messages("retry-misses-error", one(container={}, retryStrategy=strategy))


@pytest.mark.parametrize(
    ("factor", "found"),
    [("2", 0), (2, 0), (2.0, 0), ("2.0", 1), (1.5, 1), ("1.5", 1), (-1, 0), ("{{a}}", 0)],
)
def test_a_factor_is_what_argo_can_read(factor, found):
    strategy = {"limit": 3, "backoff": {"duration": "5s", "factor": factor}}
    template = one(container={}, retryStrategy=strategy)
    assert len(messages("backoff-factor-not-whole", template)) == found


@pytest.mark.parametrize(
    ("backoff", "limit", "found"),
    [
        ({"duration": "1m", "factor": 2}, 10, 1),
        ({"duration": "1m", "factor": 2}, 6, 0),
        ({"duration": "1m", "factor": 2, "cap": "10m"}, 10, 0),
        ({"duration": "1m"}, 100, 0),
        ({"duration": "9" * 300, "factor": "9" * 300}, 10, 1),
        ({"duration": "2h"}, 1, 1),
    ],
)
def test_a_backoff_is_too_long_where_its_last_wait_is(backoff, limit, found):
    template = one(container={}, retryStrategy={"limit": limit, "backoff": backoff})
    assert len(messages("backoff-too-long", template)) == found


def graced(seconds, **template):
    patch = f'{{"terminationGracePeriodSeconds": {seconds}}}'
    return {**one(container={}, **template), "podSpecPatch": patch}


@pytest.mark.parametrize(
    ("selector", "seconds", "short", "beyond"),
    [
        ({}, 30, 0, 0),
        ({}, 29, 1, 0),
        ({}, 3600, 0, 0),
        ({"cloud.google.com/gke-spot": "true"}, 15, 0, 0),
        ({"cloud.google.com/gke-spot": "true"}, 16, 0, 1),
        ({"cloud.google.com/gke-provisioning": "standard"}, 300, 0, 0),
        ({"karpenter.sh/capacity-type": "spot"}, 100, 0, 0),
        ({"karpenter.sh/capacity-type": "spot"}, 30, 1, 0),
        ({"karpenter.sh/capacity-type": "on-demand"}, 300, 0, 0),
        ({"eks.amazonaws.com/capacityType": "SPOT"}, 121, 0, 1),
        ({"kubernetes.azure.com/scalesetpriority": "spot"}, 31, 0, 1),
    ],
)
def test_a_grace_period_is_held_against_the_notice_of_its_nodes(selector, seconds, short, beyond):
    spec = graced(seconds, nodeSelector=selector)
    assert len(messages("grace-short", spec)) == short
    assert len(messages("grace-beyond-notice", spec)) == beyond


def test_nodes_are_known_by_tolerations_and_affinity_too():
    toleration = [{"key": "cloud.google.com/gke-spot", "operator": "Equal", "value": "true"}]
    assert messages("grace-beyond-notice", graced(100, tolerations=toleration))
    assert not messages("grace-missing", one(container={}, tolerations=toleration))


@pytest.mark.parametrize(
    ("hook", "severity"),
    [
        ({"exec": {"command": ["sh", "-c", "sleep 5"]}}, "warning"),
        ({"exec": {"command": ["sh", "-c", "sleep 30"]}}, "error"),
        ({"sleep": {"seconds": 45}}, "error"),
        ({"exec": {"command": ["sh", "-c", "touch /tmp/ending"]}}, None),
        ({"exec": {"command": ["gsutil", "cp", "a", "gs://b"]}}, "warning"),
    ],
)
def test_a_prestop_hook_is_weighed_against_the_grace_period(hook, severity):
    template = one(container={"image": "a", "lifecycle": {"preStop": hook}})
    text = HEAD + "spec: " + json.dumps(template)
    found = examine(text, PATH, {"prestop-heavy": rules()["prestop-heavy"]}).open
    assert [finding.severity.value for finding in found] == ([severity] if severity else [])


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("RUN_ID", "baseline", "run-id-static"),
        ("MLFLOW_RUN_ID", "baseline", "run-id-static"),
        ("RUN_ID", "{{workflow.parameters.run-id}}", None),
        ("RUN_ID", "{{workflow.name}}", "run-id-changes-on-resubmit"),
        ("RUN_ID", "{{pod.name}}", "run-id-per-attempt"),
        ("RUN_ID", "{{=sprig.uuidv4()}}", "run-id-per-attempt"),
        ("CHECKPOINT_DIR", "s3://b/{{retries}}", "run-id-per-attempt"),
        ("CHECKPOINT_PATH", "s3://b/{{workflow.uid}}", "run-id-changes-on-resubmit"),
        ("ATTEMPT", "{{retries}}", None),
        ("POD_NAME", "{{pod.name}}", None),
        ("CHECKPOINT_EVERY", "20", None),
    ],
)
def test_an_identity_is_judged_by_what_it_is_made_of(name, value, rule):
    spec = one(container={"image": "a", "env": [{"name": name, "value": value}]})
    option = f"--{name.lower().replace('_', '-')}"
    told = one(container={"image": "a", "command": ["python", "a.py", option, value]})
    identity_rules = ("run-id-changes-on-resubmit", "run-id-per-attempt", "run-id-static")
    in_script = script("bash", f"exec python a.py --x 1 {option} {value}; echo done")
    exported = script("bash", f"export {name}='{value}'\nexec python a.py")
    for template in (spec, told, in_script, exported):
        found = {one for one in identity_rules if messages(one, template)}
        assert found == ({rule} if rule else set())


@pytest.mark.parametrize(
    ("volume", "path", "lost"),
    [
        ({"emptyDir": {}}, "/ckpt/a", True),
        ({"hostPath": {"path": "/a"}}, "/ckpt", True),
        ({"persistentVolumeClaim": {"claimName": "a"}}, "/ckpt/a", False),
        ({"nfs": {"server": "a", "path": "/"}}, "/ckpt", False),
        ({"persistentVolumeClaim": {"claimName": "a"}}, "/ckpts", True),
    ],
)
def test_checkpoints_are_looked_for_on_the_volume_that_holds_their_path(volume, path, lost):
    container = {
        "image": "a",
        "args": [f"--checkpoint-dir={path}"],
        "volumeMounts": [{"name": "v", "mountPath": "/ckpt"}],
    }
    spec = {**one(container=container), "volumes": [{"name": "v", **volume}]}
    assert bool(messages("checkpoint-on-pod-disk", spec)) == lost


def test_a_claim_made_by_the_workflow_itself_outlives_its_pods():
    container = {
        "image": "a",
        "args": ["--ckpt-dir", "/ckpt"],
        "volumeMounts": [{"name": "work", "mountPath": "/ckpt"}],
    }
    claims = [{"metadata": {"name": "work"}, "spec": {}}]
    spec = {**one(container=container), "volumeClaimTemplates": claims}
    assert not messages("checkpoint-on-pod-disk", spec)


def test_the_containers_of_a_set_share_its_volumes():
    containers = [{"name": "main", "image": "a", "args": ["--checkpoint-dir=/work/a"]}]
    mounts = [{"name": "work", "mountPath": "/work"}]
    spec = one(containerSet={"volumeMounts": mounts, "containers": containers})
    claim = {"name": "work", "persistentVolumeClaim": {"claimName": "a"}}
    assert not messages("checkpoint-on-pod-disk", {**spec, "volumes": [claim]})
    scratch = {"name": "work", "emptyDir": {}}
    assert messages("checkpoint-on-pod-disk", {**spec, "volumes": [scratch]})


def test_pods_that_an_object_makes_may_have_generated_names():
    manifest = "kind: Job\nmetadata: {name: a}\nspec:\n  template: {metadata: {generateName: b-}}\n"
    resource = {"action": "create", "manifest": manifest}
    assert not messages("resource-generate-name", one(resource=resource))


def test_a_deadline_is_held_against_two_attempts_and_the_wait_between_them():
    strategy = {"limit": 3, "backoff": {"duration": "10m"}}
    template = one(container={}, timeout="1h", retryStrategy=strategy)
    assert messages("deadline-below-retries", {**template, "activeDeadlineSeconds": 7799})
    assert not messages("deadline-below-retries", {**template, "activeDeadlineSeconds": 7800})
    endless = one(container={}, retryStrategy=strategy)
    assert not messages("deadline-below-retries", {**endless, "activeDeadlineSeconds": 3600})
