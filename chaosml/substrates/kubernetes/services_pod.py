"""The pod with the services: started for a run, removed at its end.

It runs on the control plane where that is possible, so that no node fault takes it.
It ends by itself once its runner has gone, also where nobody is left to remove it.
"""

from __future__ import annotations

import socket
from typing import Any

from chaosml import clock
from chaosml.errors import SubstrateError
from chaosml.services.remote import RUNNER_PORT
from chaosml.substrates.kubernetes.api import Api, ApiError, path_of
from chaosml.substrates.kubernetes.overlay import RUN_LABEL, label_value

__all__ = ["ServicesPod"]

_START_S = 120.0
_POLL_S = 0.3
_NOT_FOUND = 404
_CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
_HOPELESS = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})


class ServicesPod:
    """The services of one run as a pod."""

    def __init__(self, api: Api, *, namespace: str, run: str, image: str) -> None:
        self._api = api
        self._namespace = namespace
        self._run = run
        self._image = image
        self._name = f"chaosml-services-{label_value(run).lower()[-40:].strip('._-')}"

    def start(self) -> None:
        """Create the pod and wait until it runs.

        Raises:
            SubstrateError: it does not; the message has the reason.
        """
        self._api.create(path_of("pods", namespace=self._namespace), self._manifest())
        deadline = clock.Deadline("start of the services' pod", _START_S)
        if not clock.wait_until(self._runs, deadline, _POLL_S):
            raise SubstrateError(
                f"the services' pod {self._name} does not run after {_START_S:.0f} s: "
                f"{self._explain()}"
            )

    def dial(self, port: int) -> socket.socket:
        """Connect to a port on its loopback interface."""
        return self._api.dial(self._namespace, self._name, port)

    def remove(self) -> None:
        """Delete the pod; one that is not there is left alone."""
        try:
            self._api.delete(
                path_of("pods", namespace=self._namespace, name=self._name),
                {"gracePeriodSeconds": 0},
            )
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise

    def _get(self) -> dict[str, Any]:
        return self._api.get(path_of("pods", namespace=self._namespace, name=self._name))

    def _runs(self) -> bool:
        status = self._get().get("status") or {}
        for container in status.get("containerStatuses") or ():
            waiting = (container.get("state") or {}).get("waiting") or {}
            if waiting.get("reason") in _HOPELESS:
                raise SubstrateError(
                    f"the services' image {self._image} cannot be had ({waiting['reason']}): load "
                    "it into the cluster (`chaosml cluster up` does) or name another one"
                )
        if status.get("phase") in ("Failed", "Succeeded"):
            raise SubstrateError(f"the services' pod {self._name} ended: {self._explain()}")
        return status.get("phase") == "Running"

    def _explain(self) -> str:
        status = self._get().get("status") or {}
        for container in status.get("containerStatuses") or ():
            for state in (container.get("state") or {}).values():
                if state.get("reason"):
                    return f"{state['reason']} {state.get('message', '')}".strip()
        for condition in status.get("conditions") or ():
            if condition.get("status") == "False" and condition.get("message"):
                return str(condition["message"])
        return f"phase {status.get('phase')}"

    def _manifest(self) -> dict[str, Any]:
        command = ["python", "-P", "-m", "chaosml.services.process"]
        command += ["--runner-port", str(RUNNER_PORT), "--host", "$(POD_IP)"]
        preference = {"matchExpressions": [{"key": _CONTROL_PLANE, "operator": "Exists"}]}
        address = {"fieldRef": {"fieldPath": "status.podIP"}}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": self._name,
                "namespace": self._namespace,
                "labels": {RUN_LABEL: label_value(self._run), "app": "chaosml-services"},
            },
            "spec": {
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 2,
                "automountServiceAccountToken": False,
                "tolerations": [{"key": _CONTROL_PLANE, "operator": "Exists"}],
                "affinity": {
                    "nodeAffinity": {
                        "preferredDuringSchedulingIgnoredDuringExecution": [
                            {"weight": 100, "preference": preference}
                        ]
                    }
                },
                "containers": [
                    {
                        "name": "services",
                        "image": self._image,
                        "imagePullPolicy": "IfNotPresent",
                        "command": command,
                        "env": [{"name": "POD_IP", "valueFrom": address}],
                        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
                    }
                ],
            },
        }
