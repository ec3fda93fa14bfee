"""The pod with the services: started for a run, removed at its end.

It runs on the control plane where that is possible, so that no node fault takes it.
It ends by itself once its runner has gone, also where nobody is left to remove it. Toxiproxy,
where it is wanted, is a sidecar (an init container that goes on): it is there before the
services and does not keep the pod alive after them. Its API is on the loopback interface,
where only a port-forward gets to; its proxies listen on the pod's address.
"""

from __future__ import annotations

import socket
from typing import Any

from chaosml import clock
from chaosml.errors import ServiceError, SubstrateError
from chaosml.services.remote import RUNNER_PORT, TOXIPROXY_PORT
from chaosml.substrates.kubernetes.api import Api, ApiUnreachable, delete_if_there, path_of
from chaosml.substrates.kubernetes.obstacles import container_statuses
from chaosml.substrates.kubernetes.overlay import RUN_LABEL, label_value
from chaosml.substrates.kubernetes.refusals import ApiError

__all__ = ["APP", "ServicesPod"]

APP = "chaosml-services"
"""Label `app` of the pod."""

_START_S = 120.0
_POLL_S = 0.3
_NOT_FOUND = 404
_ENDED = frozenset({"Failed", "Succeeded"})
_CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
_HOPELESS = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})


class ServicesPod:
    """The services of one run as a pod."""

    def __init__(
        self,
        api: Api,
        *,
        namespace: str,
        run: str,
        image: str,
        toxiproxy_image: str | None = None,
    ) -> None:
        """Describe the pod; `start` creates it.

        Args:
            api: The cluster.
            namespace: Where.
            run: Name of the run.
            image: Of the services.
            toxiproxy_image: Of Toxiproxy, where one is to run beside them.
        """
        self._api = api
        self._toxiproxy_image = toxiproxy_image
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
        """Connect to a port on its loopback interface.

        Raises:
            ServiceError: the pod has ended or was removed, and will not be there again.
            SubstrateError: it cannot be reached now.
        """
        try:
            return self._api.dial(self._namespace, self._name, port)
        except ApiUnreachable as error:
            self._refuse_ended(error)
            raise

    def _refuse_ended(self, error: ApiUnreachable) -> None:
        try:
            phase = str((self._get().get("status") or {}).get("phase"))
            explained = self._explain()
        except ApiUnreachable:
            return
        except ApiError as refusal:
            if refusal.status != _NOT_FOUND:
                return
            raise ServiceError(f"the pod {self._name} was removed by somebody else") from error
        if phase in _ENDED:
            raise ServiceError(f"the pod {self._name} ended: {explained}") from error

    def remove(self) -> None:
        """Delete the pod; one that is not there is left alone."""
        delete_if_there(self._api, self._path, {"gracePeriodSeconds": 0})

    def _get(self) -> dict[str, Any]:
        return self._api.get(self._path)

    @property
    def _path(self) -> str:
        return path_of("pods", namespace=self._namespace, name=self._name)

    def _runs(self) -> bool:
        status = self._get().get("status") or {}
        for container in container_statuses(status):
            waiting = (container.get("state") or {}).get("waiting") or {}
            if waiting.get("reason") in _HOPELESS:
                raise SubstrateError(
                    f"the image {container['image']} cannot be had ({waiting['reason']}): load "
                    "it into the cluster (`chaosml cluster up` does) or name another one"
                )
        if status.get("phase") in _ENDED:
            raise SubstrateError(f"the services' pod {self._name} ended: {self._explain()}")
        return status.get("phase") == "Running"

    def _explain(self) -> str:
        status = self._get().get("status") or {}
        for container in container_statuses(status):
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
                "labels": {RUN_LABEL: label_value(self._run), "app": APP},
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
                "initContainers": self._sidecars(),
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

    def _sidecars(self) -> list[dict[str, Any]]:
        if self._toxiproxy_image is None:
            return []
        return [
            {
                "name": "toxiproxy",
                "image": self._toxiproxy_image,
                "imagePullPolicy": "IfNotPresent",
                "restartPolicy": "Always",
                "args": ["-host=127.0.0.1", f"-port={TOXIPROXY_PORT}"],
                "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}},
            }
        ]
