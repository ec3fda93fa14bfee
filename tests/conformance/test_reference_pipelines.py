"""The programs of the reference pipelines as processes against a real S3 server."""

from __future__ import annotations

import contextlib
import http.server
import signal
import threading

import pytest
from reference_pods import EVERY, LIMIT_S, STEPS, Pods, claim_of, serve_store

from chaosml import probe
from chaosml.reference import promotion

pytestmark = pytest.mark.slow

NOTICE = b'{"action":"terminate","time":"2026-11-24T22:17:00Z"}'


@pytest.fixture(scope="module")
def endpoint():
    with serve_store() as url:
        yield url


@pytest.fixture
def pods(endpoint, tmp_path):
    return Pods(endpoint, tmp_path, "run-1").prepare()


@pytest.fixture(scope="module")
def undisturbed(endpoint, tmp_path_factory):
    pods = Pods(endpoint, tmp_path_factory.mktemp("undisturbed"), "run-0").prepare()
    pods.ok("train", *pods.training())
    pods.finish()
    return pods


def test_the_chain_registers_one_model_that_leads_back_to_data_and_checkpoint(undisturbed):
    pods = undisturbed
    (key,) = pods.keys("registry/")
    entry = pods.document(key)
    model = promotion.unpack(pods.read(entry["source"]))
    assert probe.digest(model) == entry["digest"] == pods.model()["digest"]
    assert pods.model()["digests"]["model"] == pods.state()["digests"]["model"]
    assert int(model["meta/step"]) == entry["step"] == STEPS
    for document in (entry, pods.model(), pods.state()):
        assert document["run_id"] == pods.run_id
        assert document["git_commit"] == "c0ffee"
        assert document["dataset_sha256"] == pods.dataset
        assert document["image"].startswith("interpreter:")
    metrics = pods.document("runs/run-0/metrics/evaluation.json")
    assert metrics["labels"]["run_id"] == pods.run_id
    assert metrics["accuracy"] > 0.7


def test_every_step_done_again_leaves_everything_as_it_is(undisturbed):
    before = undisturbed.objects()
    undisturbed.prepare()
    assert "already trained" in undisturbed.ok("train", *undisturbed.training())
    undisturbed.finish()
    assert undisturbed.objects() == before


def test_sigterm_saves_at_the_step_boundary_and_the_next_pod_loses_nothing(pods, undisturbed):
    code, claims = pods.strike(33, signal.SIGTERM)
    assert code == 143
    stopped = claims[-1]
    assert (stopped["event"], stopped["phase"]) == ("checkpoint", "commit")
    assert 33 <= stopped["step"] < 40
    said = pods.ok("train", *pods.training())
    restored = next(claim_of(line) for line in said.splitlines() if '"restore"' in line)
    assert (restored["step"], restored["digest"]) == (stopped["step"], stopped["digest"])
    assert pods.state()["digests"] == undisturbed.state()["digests"]
    assert pods.model()["digest"] == undisturbed.model()["digest"]


def test_a_kill_loses_no_more_than_one_checkpoint_interval(pods, undisturbed):
    code, _ = pods.strike(33, signal.SIGKILL)
    assert code == -signal.SIGKILL
    said = pods.ok("train", *pods.training())
    restored = next(claim_of(line) for line in said.splitlines() if '"restore"' in line)
    assert restored["step"] == 20
    assert pods.state()["digests"] == undisturbed.state()["digests"]


def test_two_kills_and_a_termination_in_a_row_lead_to_the_same_model(pods, undisturbed):
    for step, number in ((7, signal.SIGKILL), (25, signal.SIGTERM), (47, signal.SIGKILL)):
        pods.strike(step, number)
    pods.ok("train", *pods.training())
    pods.finish()
    assert pods.model()["digest"] == undisturbed.model()["digest"]
    assert len(pods.keys("registry/")) == 1


def test_without_the_generator_in_the_checkpoint_the_model_is_another_one(pods, undisturbed):
    pods.strike(33, signal.SIGKILL, "--omit=rng")
    pods.ok("train", *pods.training("--omit=rng"))
    assert pods.model()["digests"]["model"] != undisturbed.model()["digests"]["model"]


def test_a_program_that_restores_only_retries_starts_from_zero(pods):
    pods.strike(33, signal.SIGKILL, "--retry=0")
    said = pods.ok("train", *pods.training("--retry=0"))
    restored = next(claim_of(line) for line in said.splitlines() if '"restore"' in line)
    assert restored["step"] == 0


def test_an_exit_of_zero_on_sigterm_leaves_no_completion_marker(pods):
    code, _ = pods.strike(33, signal.SIGTERM, "--exit-on-signal=0")
    assert code == 0
    code, said = pods.run("register", *pods.registration())
    assert code == 2
    assert "not complete" in said


def test_a_model_of_another_step_is_not_registered(undisturbed):
    code, said = undisturbed.run("register", *undisturbed.registration(steps=STEPS + 1))
    assert code == 2
    assert "half-trained" in said


def test_a_notice_ends_the_attempt_like_sigterm(pods):
    checkpoints = "runs/run-1/checkpoints/"
    with serve_notice(lambda: bool(pods.keys(checkpoints))) as url:
        code, said = pods.run(
            "train",
            *[argument for argument in pods.training() if "notice" not in argument],
            "--notice-poll-ms=20",
            AWS_EC2_METADATA_SERVICE_ENDPOINT=url,
        )
    assert code == 143
    assert "interruption notice: terminate" in said
    last = pods.document(pods.keys(checkpoints)[-2])
    assert EVERY <= last["step"] < STEPS
    assert f"after step {last['step']}" in said


@contextlib.contextmanager
def serve_notice(visible):
    """A metadata service (IMDSv1 only) whose notice is there once `visible` says so."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = NOTICE if visible() else b""
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_PUT(self):
            self.send_error(405)

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_preprocessing_ends_its_work_in_spite_of_sigterm(endpoint, tmp_path):
    pods = Pods(endpoint, tmp_path, "run-2")
    pods.ok("validate", f"--sha256-output={tmp_path / 'sha256'}")
    arguments = [f"--bucket={pods.bucket}", f"--dataset-sha256={pods.dataset}"]
    with pods.start("preprocess", *arguments, f"--key-output={tmp_path / 'key'}") as process:
        for line in process.stderr:
            if '"event":"ready"' in line:
                process.send_signal(signal.SIGTERM)
        process.wait(timeout=LIMIT_S)
    assert process.returncode == 0
    assert (tmp_path / "key").read_text() in pods.keys("datasets/")


@pytest.mark.parametrize(
    ("module", "arguments", "code"),
    [
        ("train", ["--bucket=b"], 2),
        ("train", ["--bucket=absent", "--dataset-sha256=x", "--steps=1"], 1),
        ("validate", ["--sha256-output=x", "--source=/nowhere/digits.csv.gz"], 2),
        ("evaluate", ["--bucket=b", "--dataset-sha256=x", "--run-id="], 2),
    ],
)
def test_the_exit_code_says_whether_another_attempt_can_help(pods, module, arguments, code):
    found, said = pods.run(module, *arguments)
    assert found == code, said
    assert "Traceback" not in said


def test_a_store_that_is_not_there_is_worth_another_attempt(pods):
    code, said = pods.run("train", *pods.training(), AWS_ENDPOINT_URL_S3="http://127.0.0.1:9")
    assert code == 1
    assert "another attempt may succeed" in said


def test_the_exit_handler_leaves_its_note_and_never_fails(pods):
    pods.ok("notify", f"--bucket={pods.bucket}", "--workflow=w-1", "--status=Failed")
    assert pods.document("notifications/w-1.json")["status"] == "Failed"
    pods.ok("notify", "--bucket=absent", "--workflow=w-1", "--status=Failed")


def adhoc(pods, step, *arguments):
    return ("adhoc", step, f"--bucket={pods.bucket}", *arguments)


def adhoc_training(pods):
    return adhoc(pods, "train", f"--steps={STEPS}", f"--checkpoint-every={EVERY}", "--pace-ms=5")


def test_the_adhoc_chain_succeeds_when_nothing_happens(pods):
    for step in ("validate", "preprocess"):
        pods.ok(*adhoc(pods, step))
    pods.ok(*adhoc_training(pods))
    for step in ("evaluate", "register"):
        pods.ok(*adhoc(pods, step))
    assert pods.document("checkpoints/meta.json")["step"] == STEPS
    assert pods.document("registry/digits/v1.json")["accuracy"] > 0.7


def test_the_adhoc_training_calls_a_half_trained_model_done(pods):
    pods.ok(*adhoc(pods, "preprocess"))
    with pods.start(*adhoc_training(pods)) as process:
        for line in process.stderr:
            if '"event":"step"' in line and claim_of(line)["step"] == 33:
                process.send_signal(signal.SIGTERM)
        process.wait(timeout=LIMIT_S)
    assert process.returncode == 0
    assert int(promotion.unpack(pods.read("models/digits/model.npz"))["meta/step"]) < STEPS
    for step in ("evaluate", "register", "register"):
        pods.ok(*adhoc(pods, step))
    assert pods.keys("registry/") == ["registry/digits/v1.json", "registry/digits/v2.json"]
