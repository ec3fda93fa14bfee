"""What is wrong around a run on a cluster: one message, the right exit code, nothing left.

The runs that only wait go at the same time, each in a namespace of its own. They borrow
the cluster of the product's default name, as the other tests here do.
"""

from __future__ import annotations

import base64
import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from chaosml import clock

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(900),
    pytest.mark.skipif(shutil.which("kind") is None, reason="kind is not installed"),
]

ROOT = pathlib.Path(__file__).resolve().parents[2]
TRAINER = ROOT / "tests/whole/trainer.yaml"
WORKFLOW = ROOT / "tests/whole/pipelines/trainer.yaml"
REFERENCE = "ghcr.io/chaosml/reference:0.1"
NOWHERE = "127.0.0.1:1/nobody/none:1"
_LIMIT_S = 240.0
_AT_ONCE = 3


@dataclass(frozen=True)
class Case:
    """A namespace with something wrong in it, the run that meets it, and how that ends."""

    name: str
    code: int
    says: tuple[str, ...]
    """Words of the message: what it was, and what to do."""
    on: str = "kind"
    image: str = REFERENCE
    patch: tuple[str, str] | None = None
    """Text of the workflow to be replaced, and by what."""
    pods_max: int | None = None
    """Of a quota."""
    label: bool = True
    arguments: tuple[str, ...] = ()

    @property
    def namespace(self) -> str:
        return f"bad-{self.name}"


SECRET = """        env:
          - {name: PASSWORD, valueFrom: {secretKeyRef: {name: nowhere, key: password}}}
"""
CASES = [
    Case(
        "label",
        4,
        ("bad-label is not meant for faults", "kubectl label namespace bad-label "),
        on="cluster",
        label=False,
    ),
    Case(
        "absent",
        4,
        ("there is no namespace bad-absent", "kubectl create namespace bad-absent"),
        on="cluster",
    ),
    Case(
        "rights",
        4,
        ("no permission in the namespace bad-rights to: create workflows", "`chaosml doctor`"),
        on="cluster",
    ),
    Case("token", 4, ("401 Unauthorized", "log in again or renew them"), on="cluster"),
    Case("quota-services", 4, ("exceeded quota: few", "raise the quota"), pods_max=0),
    Case(
        "quota-pods",
        4,
        ("a quota of the namespace keeps train(0) from getting its pod", "raise the quota"),
        pods_max=2,
    ),
    Case("image", 4, (f"the image {NOWHERE} of the pod", "correct its name"), image=NOWHERE),
    Case(
        "services-image",
        4,
        (f"the image {NOWHERE} cannot be had", "load it into the cluster"),
        arguments=("--image", NOWHERE),
        on="cluster",
    ),
    Case(
        "room",
        4,
        ("no node takes the pod", "Insufficient cpu", "give the cluster room"),
        patch=("      script:\n", "      script:\n        resources: {requests: {cpu: 900}}\n"),
    ),
    Case("secret", 4, ('secret "nowhere" not found',), patch=("        env:\n", SECRET)),
    Case(
        "schema",
        2,
        ("workflow.yaml: the cluster does not accept this workflow", "not a label!"),
        patch=(
            "  generateName: trainer-\n",
            '  generateName: trainer-\n  labels: {"not a label!": x}\n',
        ),
    ),
    Case(
        "spec",
        2,
        ("workflow.yaml:25:34: ", 'the workflow declares no parameter "nothing"'),
        patch=(
            'value: "{{workflow.parameters.steps}}"',
            'value: "{{workflow.parameters.nothing}}"',
        ),
    ),
]


class Cluster:
    """The cluster, and the runs against it."""

    def __init__(self, place: Any, folder: pathlib.Path) -> None:
        from chaosml.substrates.kubernetes.api import KubernetesApi

        self.place, self.folder = place, folder
        self.api = KubernetesApi(place.context)
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def make(self, case: Case) -> None:
        """Make the namespace as the case wants it."""
        if case.name == "absent":
            return
        path = f"/api/v1/namespaces/{case.namespace}"
        gone = clock.Deadline(f"the end of the namespace {case.namespace}", 90)
        assert clock.wait_until(lambda: not self.has(path), gone, 0.5)
        labels = {"chaosml.dev/enabled": "true"} if case.label else {}
        metadata = {"name": case.namespace, "labels": labels}
        self.api.create(
            "/api/v1/namespaces", {"kind": "Namespace", "apiVersion": "v1", "metadata": metadata}
        )
        if case.pods_max is not None:
            quota = {
                "apiVersion": "v1",
                "kind": "ResourceQuota",
                "metadata": {"name": "few"},
                "spec": {"hard": {"pods": str(case.pods_max)}},
            }
            self.api.create(f"/api/v1/namespaces/{case.namespace}/resourcequotas", quota)

    def start(self, case: Case) -> None:
        """Begin the run of a case."""
        folder = self.folder / case.name
        folder.mkdir(parents=True)
        text = WORKFLOW.read_text().replace("trainer:1", case.image)
        if case.patch is not None:
            assert case.patch[0] in text, case.patch
            text = text.replace(*case.patch)
        workflow = folder / "workflow.yaml"
        workflow.write_text(text)
        command = [sys.executable, "-m", "chaosml", "run", str(TRAINER), "-q"]
        command += ["--pipeline", str(workflow), "--reports", str(folder / "reports")]
        command += ["--on", case.on, "--namespace", case.namespace, "--deadline", "4m"]
        command += ["--set", "expect.mttr.at-most=60s"]
        if "--image" not in case.arguments:
            command += ["--image", self.place.image]
        context, environment = self.credentials(case)
        if case.on == "cluster":
            command += ["--context", context]
        with open(folder / "said", "wb") as said:
            self.running[case.name] = subprocess.Popen(
                [*command, *case.arguments],
                cwd=ROOT,
                stdout=said,
                stderr=said,
                env={**os.environ, **environment},
            )

    def start_some(self, at: int) -> None:
        """Begin the runs that may go beside the one at that place: a small host carries few."""
        for case in CASES[at : at + _AT_ONCE]:
            if case.name not in self.running:
                self.start(case)

    def end(self, case: Case) -> tuple[int, str]:
        """Wait for the end of a run; return its exit code and what it said."""
        code = self.running[case.name].wait(timeout=_LIMIT_S)
        return code, (self.folder / case.name / "said").read_text()

    def credentials(self, case: Case) -> tuple[str, Mapping[str, str]]:
        """Return context and environment of a case's run."""
        if case.name not in ("rights", "token"):
            return self.place.context, {}
        token = self.make_account(case) if case.name == "rights" else "worn-out"
        return "poor", {"KUBECONFIG": str(self.kubeconfig(case.name, token))}

    def assert_nothing_is_left(self, case: Case) -> None:
        """Fail where a run has left something in its namespace."""
        ours = {"labelSelector": "chaosml.dev/run"}
        inside = f"namespaces/{case.namespace}"
        for path in (f"/api/v1/{inside}/pods", f"/apis/argoproj.io/v1alpha1/{inside}/workflows"):
            limit = clock.Deadline(f"the end of everything at {path}", 30)
            assert clock.wait_until(lambda at=path: not self.listed(at, ours), limit, 0.5), path
        leases = self.api.get(f"/apis/coordination.k8s.io/v1/{inside}/leases")["items"]
        assert [one for one in leases if one["spec"].get("holderIdentity")] == []

    def has(self, path: str) -> bool:
        from chaosml.substrates.kubernetes.refusals import ApiError

        try:
            self.api.get(path)
        except ApiError:
            return False
        return True

    def listed(self, path: str, query: Mapping[str, str]) -> list[Any]:
        return list(self.api.get(path, **query)["items"])

    def close(self) -> None:
        """Remove every namespace; end what still runs."""
        for process in self.running.values():
            if process.poll() is None:
                process.terminate()
                process.wait(timeout=60)
        for case in CASES:
            self.remove(f"/api/v1/namespaces/{case.namespace}")

    def remove(self, path: str) -> None:
        from chaosml.substrates.kubernetes.refusals import ApiError

        with contextlib.suppress(ApiError):
            self.api.delete(path)

    def kubeconfig(self, name: str, token: str) -> pathlib.Path:
        """Write a kubeconfig with a token and nothing else."""
        known = self.api._api.configuration
        authority = base64.b64encode(pathlib.Path(known.ssl_ca_cert).read_bytes()).decode()
        server = {"server": known.host, "certificate-authority-data": authority}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "",
            "contexts": [{"name": "poor", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": server}],
            "users": [{"name": "u", "user": {"token": token}}],
        }
        path = self.folder / f"{name}.kubeconfig"
        path.write_text(yaml.safe_dump(config))
        return path

    def make_account(self, case: Case) -> str:
        """Make an account that may see the namespace and nothing more; return its token."""
        inside = f"namespaces/{case.namespace}"
        rbac = "rbac.authorization.k8s.io"
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "poor"}}
        self.api.create(f"/api/v1/{inside}/serviceaccounts", account)
        binding = {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "poor"},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "view"},
            "subjects": [{"kind": "ServiceAccount", "name": "poor", "namespace": case.namespace}],
        }
        self.api.create(f"/apis/{rbac}/v1/{inside}/rolebindings", binding)
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        made = self.api.create(f"/api/v1/{inside}/serviceaccounts/poor/token", request)
        return str(made["status"]["token"])


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    from chaosml.cluster.life import borrowed
    from chaosml.cluster.options import ClusterOptions

    with borrowed(ClusterOptions()) as info:
        cluster = Cluster(info, tmp_path_factory.mktemp("bad"))
        try:
            for case in CASES:
                cluster.make(case)
            yield cluster
        finally:
            cluster.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_one_message_says_what_to_do(cluster: Cluster, case: Case) -> None:
    cluster.start_some(CASES.index(case))
    code, said = cluster.end(case)
    assert code == case.code, said
    assert "Traceback" not in said
    assert [words for words in case.says if words not in said] == [], said
    if case.name != "absent":
        cluster.assert_nothing_is_left(case)
