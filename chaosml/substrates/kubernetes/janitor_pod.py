"""The pod of the janitor: it heals the cluster where the run's command never returns.

It needs a service account of its own, whose rights are less than the run's. On kind
that is made with the cluster; on a cluster of somebody else its existence is their
consent, and without it there is no janitor.
"""

from __future__ import annotations

from typing import Any

from chaosml import clock
from chaosml.errors import SubstrateError
from chaosml.substrates.kubernetes.api import Api, delete_if_there, path_of
from chaosml.substrates.kubernetes.names import ACCOUNT
from chaosml.substrates.kubernetes.overlay import RUN_LABEL, label_value
from chaosml.substrates.kubernetes.refusals import ApiError

__all__ = ["JanitorPod"]

_START_S = 60.0
_POLL_S = 0.3
_FORBIDDEN = 403
_USER = 65532
_CONTROL_PLANE = "node-role.kubernetes.io/control-plane"


class JanitorPod:
    """The janitor of one run."""

    def __init__(self, api: Api, *, namespace: str, run: str, image: str) -> None:
        self._api = api
        self._namespace = namespace
        self._run = run
        self._image = image
        self._name = f"chaosml-janitor-{label_value(run).lower()[-40:].strip('._-')}"

    def start(self) -> bool:
        """Create the pod; return False where the namespace has no service account for it.

        Raises:
            SubstrateError: the API refused the pod for another reason.
        """
        try:
            self._api.create(path_of("pods", namespace=self._namespace), self._manifest())
        except ApiError as error:
            if error.status == _FORBIDDEN and f'serviceaccount "{ACCOUNT}" not found' in str(error):
                return False
            raise
        return True

    def await_running(self) -> None:
        """Wait until it watches over the run.

        Raises:
            SubstrateError: it does not.
        """
        deadline = clock.Deadline("start of the janitor's pod", _START_S)
        if not clock.wait_until(self._runs, deadline, _POLL_S):
            raise SubstrateError(
                f"the janitor's pod {self._name} does not run after {_START_S:.0f} s: kubectl "
                f"-n {self._namespace} describe pod {self._name}"
            )

    def remove(self) -> None:
        """Delete the pod; one that is not there is left alone."""
        delete_if_there(self._api, self._path, {"gracePeriodSeconds": 0})

    @property
    def _path(self) -> str:
        return path_of("pods", namespace=self._namespace, name=self._name)

    def _runs(self) -> bool:
        return (self._api.get(self._path).get("status") or {}).get("phase") == "Running"

    def _manifest(self) -> dict[str, Any]:
        command = ["python", "-P", "-m", "chaosml.substrates.kubernetes.janitor"]
        command += ["--namespace", self._namespace, "--run", self._run, "--pod", self._name]
        preference = {"matchExpressions": [{"key": _CONTROL_PLANE, "operator": "Exists"}]}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": self._name,
                "namespace": self._namespace,
                "labels": {RUN_LABEL: label_value(self._run), "app": "chaosml-janitor"},
            },
            "spec": {
                "restartPolicy": "OnFailure",
                "terminationGracePeriodSeconds": 1,
                "serviceAccountName": ACCOUNT,
                "tolerations": [{"key": _CONTROL_PLANE, "operator": "Exists"}],
                # Away from the nodes that faults strike, where that is possible.
                "affinity": {
                    "nodeAffinity": {
                        "preferredDuringSchedulingIgnoredDuringExecution": [
                            {"weight": 100, "preference": preference}
                        ]
                    }
                },
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": _USER,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [
                    {
                        "name": "janitor",
                        "image": self._image,
                        "imagePullPolicy": "IfNotPresent",
                        "command": command,
                        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
                        "securityContext": {
                            "allowPrivilegeEscalation": False,
                            "capabilities": {"drop": ["ALL"]},
                        },
                    }
                ],
            },
        }
