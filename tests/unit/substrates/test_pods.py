"""From a pod's specification to the process that the kubelet starts."""

import pathlib

import pytest

from chaosml.errors import SubstrateError
from chaosml.substrates.embedded.pods import PathMap, Site, compose, expand, make_uid
from chaosml.substrates.protocol import Submission
from chaosml.workflow.protocol import EnvironmentVariable, OutputFile, PodSpec

HOME = pathlib.Path("/work/pods/train-1")
SITE = Site(
    uid="train-1",
    node="node-1",
    directory=HOME,
    interpreter=pathlib.Path("/venv/bin/python"),
    marks={"CHAOSML_RUN": "r"},
)


def order(command=("python", "train.py"), *, overlay=(), secrets=None, **details):
    spec = PodSpec(
        pod="train",
        vertex="train",
        template="train",
        task="train",
        attempt=0,
        image="i",
        command=command,
        **details,
    )
    submission = Submission(
        name="w",
        workflow_file=pathlib.Path("w.yaml"),
        parameters={},
        overlay=overlay,
        secrets=secrets or {},
        logs=pathlib.Path("/logs"),
    )
    return compose(spec, submission, SITE)


def variable(name, value=None, **source):
    return EnvironmentVariable(name, value, **source)


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)/x", "1/x"),
        ("$(NONE)", "$(NONE)"),
        ("$$(A)", "$(A)"),
        ("$A ${A} $(date +%s)", "$A ${A} $(date +%s)"),
        ("$$", "$"),
        ("$(", "$("),
    ],
)
def test_references_expand_as_in_kubernetes(text, expanded):
    assert expand(text, {"A": "1"}) == expanded


def test_a_variable_refers_to_earlier_ones_only_and_the_command_to_all():
    started = order(
        ("echo", "$(B)"),
        environment=(variable("A", "$(B)"), variable("B", "b"), variable("C", "$(B)")),
    )
    assert (started.environment["A"], started.environment["C"]) == ("$(B)", "b")
    assert started.argv == ("echo", "b")


def test_the_overlay_wins_over_the_document_and_can_be_referred_to():
    started = order(
        overlay=(variable("POD", field="metadata.uid"), variable("KEY", "$(POD)")),
        environment=(variable("KEY", "stolen"), variable("MINE", "of $(KEY)")),
    )
    assert started.environment["KEY"] == "train-1"
    assert started.environment["MINE"] == "of train-1"


def test_the_environment_holds_basics_marks_and_what_was_asked_for_and_no_more(monkeypatch):
    monkeypatch.setenv("HARNESS_SECRET", "x")
    assert order(environment=(variable("A", "1"),)).environment == {
        "PATH": "/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "HOME": f"{HOME}/home",
        "HOSTNAME": "train",
        "TMPDIR": f"{HOME}/tmp",
        "CHAOSML_RUN": "r",
        "A": "1",
    }


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.uid", "train-1"),
        ("metadata.name", "train"),
        ("metadata.namespace", "default"),
        ("spec.nodeName", "node-1"),
        ("status.podIP", "127.0.0.1"),
        ("metadata.labels['role']", "worker"),
        ("metadata.labels['none']", ""),
    ],
)
def test_fields_of_the_pod_can_be_read(path, value):
    started = order(environment=(variable("F", field=path),), labels={"role": "worker"})
    assert started.environment["F"] == value


def test_secrets_come_from_the_submission_and_a_missing_one_is_named():
    known = {"store": {"token": "t"}}
    token = variable("T", secret=("store", "token"))
    assert order(environment=(token,), secrets=known).environment["T"] == "t"
    with pytest.raises(SubstrateError, match=r"T: the secret 'store' has no key 'other'"):
        order(environment=(variable("T", secret=("store", "other")),), secrets=known)


def test_an_unknown_field_is_refused_with_what_there_is():
    with pytest.raises(SubstrateError, match=r"no field 'status.x'; it has metadata.uid"):
        order(environment=(variable("F", field="status.x"),))


def test_declared_paths_are_private_wherever_they_are_written():
    started = order(
        ("sh", "-c", "cat /data/in > /tmp/out/key.txt; echo /tmp/out/key.txt.bak"),
        environment=(variable("OUT", "file=/tmp/out/key.txt"),),
        output_files=(OutputFile("key", "/tmp/out/key.txt"),),
        mounts={"/data": "scratch"},
        pre_stop=("touch", "/data/stop"),
    )
    out = f"{HOME}/root/tmp/out/key.txt"
    assert started.argv[2] == f"cat {HOME}/root/data/in > {out}; echo /tmp/out/key.txt.bak"
    assert started.environment["OUT"] == f"file={out}"
    assert started.output_files == {"key": out}
    assert started.pre_stop == ("touch", f"{HOME}/root/data/stop")
    assert {f"{HOME}/root/data", f"{HOME}/root/tmp/out"} <= set(started.directories)


@pytest.mark.parametrize(
    ("text", "mapped"),
    [
        ("/data", "/r/data"),
        ("/data/out/x", "/r/data/out/x"),
        ("/database /my/data s3://bucket/data", "/database /my/data s3://bucket/data"),
        ('open("/data/x")', 'open("/r/data/x")'),
        ("--to=/data:/data/out", "--to=/r/data:/r/data/out"),
    ],
)
def test_only_whole_path_names_are_replaced(text, mapped):
    assert PathMap(pathlib.Path("/r"), ["/data", "/data/out/"]).apply(text) == mapped


def test_without_declared_paths_nothing_is_replaced():
    assert PathMap(pathlib.Path("/r"), ["/"]).apply("/tmp /") == "/tmp /"


def test_the_script_is_a_file_after_the_arguments():
    started = order(("python",), args=("-u",), script="print('/out/x')", mounts={"/out": "o"})
    script = f"{HOME}/root/argo/staging/script"
    assert started.argv == ("python", "-u", script)
    assert started.files == {script: f"print('{HOME}/root/out/x')"}


def test_the_working_directory_is_the_named_one_if_it_is_there_else_a_private_one(tmp_path):
    assert order().working_directory == f"{HOME}/work"
    assert order(working_directory=str(tmp_path)).working_directory == str(tmp_path)
    assert order(working_directory="/no/app").working_directory == f"{HOME}/root/no/app"


def test_uids_are_names_of_files_and_differ_between_pods_and_incarnations():
    names = ["train", "a.b", "a-b", "x" * 250, "x" * 251]
    uids = [make_uid(name, incarnation) for name in names for incarnation in (1, 2)]
    assert len(set(uids)) == len(uids)
    assert uids[:2] == ["train-1", "train-2"]
    assert all(len(uid) <= 120 and uid.replace("-", "").isalnum() for uid in uids)
