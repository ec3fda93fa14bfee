"""The audit against a real S3 server: every version, every defect, every failure of the store."""

import hashlib
import http.server
import io
import json
import socket
import threading

import boto3
import msgspec
import numpy
import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer

from chaosml import probe
from chaosml.artifacts.contract import Contract
from chaosml.audit import audit, check_empty
from chaosml.audit import bucket as bucket_module
from chaosml.errors import ServiceError
from chaosml.event import ArtifactObserved, AuditFinished, Basis, RegistryObserved, UploadPending
from chaosml.scenario.model import Scenario

pytestmark = pytest.mark.slow

SCENARIO = {
    "apiVersion": "chaosml.dev/v1",
    "kind": "Scenario",
    "metadata": {"name": "audit"},
    "pipeline": {
        "workflow": "w.yaml",
        "isolate": {"bucket": "bucket"},
        "artifacts": [
            {
                "role": "checkpoint",
                "key": r"checkpoints/step-(?P<step>\d+)/state\.npz",
                "format": "npz",
                "commit": "marker-last",
                "marker": "checkpoints/step-{step}/manifest.json",
            },
            {"role": "model", "key": r"models/model\.npz", "format": "npz"},
            {"role": "dataset", "key": r"datasets/.*", "format": "bytes"},
        ],
        "registry": r"registry/digits/.*\.json",
    },
    "faults": [
        {"name": "f", "inject": "pod.delete", "target": {"task": "train"}, "when": {"step": 1}}
    ],
}
CONTRACT = Contract.compile(Scenario.model_validate(SCENARIO), {})


@pytest.fixture(scope="module")
def store():
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def client(store):
    client = boto3.client(
        "s3",
        endpoint_url=store,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
        config=Config(proxies={}, s3={"addressing_style": "path"}),
    )
    yield client
    client.close()


@pytest.fixture
def bucket(client, request):
    name = f"b{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:16]}"
    client.create_bucket(Bucket=name)
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def as_npz(**arrays):
    file = io.BytesIO()
    numpy.savez(file, **{name.replace("__", "/"): array for name, array in arrays.items()})
    return file.getvalue()


def facts(store, bucket, kind, **options):
    return [
        emission.data
        for emission in audit(store, bucket, CONTRACT, **options)
        if isinstance(emission.data, kind)
    ]


def test_every_emission_is_observed_numbered_and_timed_and_fits_into_a_history(
    store, client, bucket
):
    client.put_object(Bucket=bucket, Key="datasets/a", Body=b"1")
    client.put_object(Bucket=bucket, Key="registry/digits/v1.json", Body=b"{}")
    emissions = list(audit(store, bucket, CONTRACT))
    assert [emission.source_seq for emission in emissions] == [1, 2, 3, 4]
    assert {(emission.source, emission.basis) for emission in emissions} == {
        ("audit", Basis.OBSERVED)
    }
    assert all(0 < emission.earliest_ns <= emission.latest_ns for emission in emissions)
    assert [emission.subject for emission in emissions] == [
        "object/datasets/a",
        "object/registry/digits/v1.json",
        "registry/registry/digits/v1.json",
        f"bucket/{bucket}",
    ]
    for emission in emissions:
        assert msgspec.json.decode(msgspec.json.encode(emission), type=type(emission)) == emission


def test_a_checkpoint_is_read_with_its_step_digests_and_bytes(store, client, bucket):
    weights = numpy.arange(4.0)
    data = as_npz(model__w=weights, rng__state=numpy.array([1, 2]))
    put = client.put_object(Bucket=bucket, Key="checkpoints/step-40/state.npz", Body=data)
    (found,) = facts(store, bucket, ArtifactObserved)
    assert found == ArtifactObserved(
        role="checkpoint",
        key="checkpoints/step-40/state.npz",
        version=put["VersionId"],
        current=True,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        step=40,
        digest=probe.digest({"model/w": weights, "rng/state": numpy.array([1, 2])}),
        digests={
            "model": probe.digest({"model/w": weights}),
            "rng": probe.digest({"rng/state": numpy.array([1, 2])}),
        },
    )


def test_every_version_and_delete_marker_of_a_key_is_seen_the_oldest_first(store, client, bucket):
    key = "models/model.npz"
    versions = [
        client.put_object(Bucket=bucket, Key=key, Body=as_npz(meta__step=numpy.array(step)))
        for step in (20, 40)
    ]
    client.delete_object(Bucket=bucket, Key=key)
    last = client.put_object(Bucket=bucket, Key=key, Body=as_npz(meta__step=numpy.array(60)))
    found = facts(store, bucket, ArtifactObserved)
    kept = [artifact for artifact in found if not artifact.deleted]
    assert [artifact.step for artifact in kept] == [20, 40, 60]
    assert [artifact.version for artifact in kept] == [
        put["VersionId"] for put in (*versions, last)
    ]
    assert [artifact.current for artifact in kept] == [False, False, True]
    (marker,) = (artifact for artifact in found if artifact.deleted)
    assert (marker.current, marker.size, marker.sha256, marker.problem) == (False, 0, None, None)


def test_an_object_that_was_deleted_has_no_current_version(store, client, bucket):
    client.put_object(Bucket=bucket, Key="datasets/a", Body=b"1")
    client.delete_object(Bucket=bucket, Key="datasets/a")
    assert [
        (artifact.current, artifact.deleted) for artifact in facts(store, bucket, ArtifactObserved)
    ] == [(False, False), (True, True)]


def test_a_torn_object_is_a_finding_and_the_audit_goes_on(store, client, bucket):
    client.put_object(
        Bucket=bucket, Key="checkpoints/step-1/state.npz", Body=as_npz(a__b=numpy.ones(9))[:200]
    )
    client.put_object(Bucket=bucket, Key="models/model.npz", Body=as_npz(a__b=numpy.ones(9)))
    torn, whole = facts(store, bucket, ArtifactObserved)
    assert torn.problem.startswith("truncated")
    assert (torn.size, torn.digest, torn.step) == (200, None, 1)
    assert torn.sha256 is not None
    assert whole.problem is None


def test_the_marker_of_a_checkpoint_shows_its_fields(store, client, bucket):
    document = {"step": 40, "object": "checkpoints/step-40/state.npz", "labels": {"run_id": "r"}}
    client.put_object(
        Bucket=bucket, Key="checkpoints/step-40/manifest.json", Body=json.dumps(document)
    )
    (found,) = facts(store, bucket, ArtifactObserved)
    assert (found.role, found.step) == ("marker", 40)
    assert found.fields == {
        "step": 40,
        "object": "checkpoints/step-40/state.npz",
        "labels.run_id": "r",
    }


def test_registry_entries_say_what_is_registered(store, client, bucket):
    entry = {"name": "digits", "version": 3, "source": "models/model.npz", "digest": "ab"}
    client.put_object(Bucket=bucket, Key="registry/digits/v3.json", Body=json.dumps(entry))
    client.put_object(Bucket=bucket, Key="registry/digits/v4.json", Body=b'{"name": "dig')
    said, torn = facts(store, bucket, RegistryObserved)
    assert said == RegistryObserved(
        entry="registry/digits/v3.json",
        name="digits",
        version="3",
        source="models/model.npz",
        digest="ab",
        fields=entry,
    )
    assert torn == RegistryObserved(entry="registry/digits/v4.json", name="digits", version="v4")
    problems = {
        artifact.key: artifact.problem for artifact in facts(store, bucket, ArtifactObserved)
    }
    assert problems["registry/digits/v3.json"] is None
    assert problems["registry/digits/v4.json"].startswith("truncated")


def test_only_what_the_registry_holds_now_is_registered(store, client, bucket):
    for version in ("1", "2"):
        body = json.dumps({"name": "digits", "version": version})
        client.put_object(Bucket=bucket, Key="registry/digits/latest.json", Body=body)
    client.put_object(Bucket=bucket, Key="registry/digits/gone.json", Body=b"{}")
    client.delete_object(Bucket=bucket, Key="registry/digits/gone.json")
    assert [entry.version for entry in facts(store, bucket, RegistryObserved)] == ["2"]


def test_pending_uploads_are_found_and_unknown_keys_only_counted(store, client, bucket):
    upload = client.create_multipart_upload(Bucket=bucket, Key="models/model.npz")
    client.put_object(Bucket=bucket, Key="tmp/part", Body=b"1")
    client.put_object(Bucket=bucket, Key="tmp/part", Body=b"2")
    emissions = [emission.data for emission in audit(store, bucket, CONTRACT)]
    assert emissions == [
        UploadPending(key="models/model.npz", upload=upload["UploadId"]),
        AuditFinished(objects=1, versions=2, versioned=True),
    ]


def test_more_objects_than_a_page_holds_are_all_seen(store, client, bucket):
    for number in range(1030):
        client.put_object(Bucket=bucket, Key=f"datasets/{number:05d}", Body=b"")
    emissions = [emission.data for emission in audit(store, bucket, CONTRACT)]
    assert [fact.key for fact in emissions[:-1]] == [f"datasets/{n:05d}" for n in range(1030)]
    assert emissions[-1] == AuditFinished(objects=1030, versions=1030, versioned=True)


def test_an_unversioned_bucket_says_so(store, client):
    client.create_bucket(Bucket="unversioned")
    client.put_object(Bucket="unversioned", Key="datasets/a", Body=b"old")
    client.put_object(Bucket="unversioned", Key="datasets/a", Body=b"new")
    artifact, finished = (emission.data for emission in audit(store, "unversioned", CONTRACT))
    assert artifact.sha256 == hashlib.sha256(b"new").hexdigest()
    assert artifact.current
    assert finished == AuditFinished(objects=1, versions=1, versioned=False)


def test_the_same_bytes_are_read_once(store, client, bucket, monkeypatch):
    for _ in range(3):
        client.put_object(Bucket=bucket, Key="datasets/a", Body=b"same")
    client.put_object(Bucket=bucket, Key="datasets/b", Body=b"other")
    reads = []
    read = bucket_module.Bucket.read

    def count(self, version, file):
        reads.append(version.key)
        return read(self, version, file)

    monkeypatch.setattr(bucket_module.Bucket, "read", count)
    found = facts(store, bucket, ArtifactObserved)
    assert len(found) == 4
    assert sorted(reads) == ["datasets/a", "datasets/b"]
    assert len({artifact.sha256 for artifact in found[:3]}) == 1


def test_an_object_that_vanishes_after_it_was_listed_is_a_problem_without_a_digest(
    store, client, bucket, monkeypatch
):
    client.put_object(Bucket=bucket, Key="datasets/a", Body=b"1")
    read = bucket_module.Bucket.read

    def vanish_then_read(self, version, file):
        client.delete_object(Bucket=bucket, Key=version.key, VersionId=version.version)
        return read(self, version, file)

    monkeypatch.setattr(bucket_module.Bucket, "read", vanish_then_read)
    (found,) = facts(store, bucket, ArtifactObserved)
    assert found.problem == "vanished between listing and reading"
    assert found.sha256 is None


def test_an_object_over_the_limit_is_not_read(store, client, bucket, monkeypatch):
    monkeypatch.setattr(bucket_module, "OBJECT_BYTES_MAX", 3)
    client.put_object(Bucket=bucket, Key="datasets/a", Body=b"1234")
    (found,) = facts(store, bucket, ArtifactObserved)
    assert (found.problem, found.sha256, found.size) == ("not read: 4 bytes, limit 3", None, 4)


def test_a_bucket_counts_its_objects_and_one_that_is_not_there_has_none(store, client, bucket):
    assert check_empty(store, bucket) == 0
    client.put_object(Bucket=bucket, Key="a", Body=b"1")
    client.put_object(Bucket=bucket, Key="a", Body=b"2")
    client.put_object(Bucket=bucket, Key="b", Body=b"1")
    client.delete_object(Bucket=bucket, Key="b")
    assert check_empty(store, bucket) == 2
    assert check_empty(store, "no-such-bucket") == 0


def test_a_bucket_that_is_not_there_cannot_be_audited(store):
    with pytest.raises(ServiceError, match=r"there is no bucket 'no-such-bucket' at http://127"):
        list(audit(store, "no-such-bucket", CONTRACT))


def test_a_store_that_is_not_there_is_named_without_credentials():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ServiceError) as raised:
        list(audit(f"http://user:secret@127.0.0.1:{port}", "b", CONTRACT))
    assert f"http://127.0.0.1:{port}" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_an_address_that_is_none_is_an_error_of_the_service():
    with pytest.raises(ServiceError, match="not-a-url"):
        list(audit("not-a-url", "b", CONTRACT))


def test_an_audit_that_takes_too_long_says_what_it_waited_for(store, client, bucket):
    client.put_object(Bucket=bucket, Key="datasets/a", Body=b"1")
    with pytest.raises(ServiceError, match=r"took more than 0s; it was waiting for List"):
        list(audit(store, bucket, CONTRACT, limit_s=0.0))


def test_proxies_and_profiles_of_the_user_are_not_used(store, client, bucket, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    client.put_object(Bucket=bucket, Key="a", Body=b"1")
    assert check_empty(store, bucket) == 1


_LISTING = b"""<?xml version="1.0"?><ListBucketResult>
<Contents><Key>datasets/a</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>
<ETag>"e"</ETag><Size>4</Size></Contents></ListBucketResult>"""


def _error(code):
    return f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()


class _Answers(http.server.BaseHTTPRequestHandler):
    """A store that answers what the test says; versions and uploads it does not know."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        query = self.path.partition("?")[2]
        if "list-type=2" in query:
            self.answer(200, _LISTING)
        elif query:
            self.answer(501, _error("NotImplemented"))
        else:
            self.server.gets += 1
            self.server.on_get(self)

    def answer(self, status, body, *, length=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        if length is not None:
            self.close_connection = True

    def log_message(self, *args):
        pass


@pytest.fixture
def serve():
    servers = []

    def start(on_get):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
        server.on_get, server.gets = on_get, 0
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}", server

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_store_without_versions_shows_what_is_there_and_says_that_it_has_none(serve):
    url, _ = serve(lambda handler: handler.answer(200, b"data"))
    artifact, finished = (emission.data for emission in audit(url, "b", CONTRACT))
    assert (artifact.version, artifact.current, artifact.size) == ("null", True, 4)
    assert artifact.sha256 == hashlib.sha256(b"data").hexdigest()
    assert finished == AuditFinished(objects=1, versions=1, versioned=False)


def test_an_object_that_may_not_be_read_is_a_problem_without_a_digest(serve):
    url, _ = serve(lambda handler: handler.answer(403, _error("AccessDenied")))
    artifact, _ = (emission.data for emission in audit(url, "b", CONTRACT))
    assert artifact.problem == "not read: access denied (AccessDenied)"
    assert artifact.sha256 is None


def test_a_bucket_that_may_not_be_listed_ends_the_audit(serve, monkeypatch):
    monkeypatch.setattr(_Answers, "do_GET", lambda self: self.answer(403, _error("AccessDenied")))
    url, _ = serve(None)
    with pytest.raises(ServiceError, match=rf"{url} answered 403 AccessDenied: no \(Get"):
        list(audit(url, "b", CONTRACT))


def test_a_server_that_is_no_store_ends_the_audit(serve, monkeypatch):
    monkeypatch.setattr(_Answers, "do_GET", lambda self: self.answer(200, b"<html>hello"))
    url, _ = serve(None)
    with pytest.raises(ServiceError, match=rf"the store {url} .*bucket 'b'"):
        list(audit(url, "b", CONTRACT))


def test_an_answer_that_breaks_off_is_read_again(serve):
    def break_off_once(handler):
        if handler.server.gets == 1:
            handler.answer(200, b"da", length=4)
        else:
            handler.answer(200, b"data")

    url, server = serve(break_off_once)
    artifact, _ = (emission.data for emission in audit(url, "b", CONTRACT))
    assert artifact.sha256 == hashlib.sha256(b"data").hexdigest()
    assert (artifact.size, artifact.problem) == (4, None)
    assert server.gets == 2


def test_a_store_that_always_breaks_off_fails_and_blames_no_object(serve):
    url, _ = serve(lambda handler: handler.answer(200, b"da", length=4))
    with pytest.raises(ServiceError, match=r"cannot be read: .*GetObject datasets/a"):
        list(audit(url, "b", CONTRACT))


def test_a_store_that_fails_in_a_read_fails_and_blames_no_object(serve):
    url, _ = serve(lambda handler: handler.answer(503, _error("SlowDown")))
    with pytest.raises(ServiceError, match=r"answered 503 SlowDown.*GetObject datasets/a"):
        list(audit(url, "b", CONTRACT))
