"""The address under which programs of the cluster find the metadata service of a run.

The services' pod has another address in every run. Whoever is configured once, such as a node
termination handler, needs one that stays: a Service of a fixed name in front of it.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from chaosml.substrates.kubernetes.api import Api, delete_if_there, path_of
from chaosml.substrates.kubernetes.overlay import RUN_LABEL, label_value
from chaosml.substrates.kubernetes.services_pod import APP

__all__ = ["NAME", "PORT", "MetadataAddress"]

NAME = "chaosml-metadata"
PORT = 8080


class MetadataAddress:
    """`http://chaosml-metadata.NAMESPACE:8080`, for as long as a run is."""

    def __init__(self, api: Api, namespace: str, run: str) -> None:
        self._api = api
        self._namespace = namespace
        self._run = run

    def publish(self, metadata_url: str) -> str:
        """Lead the address to the service at a URL in the services' pod; return the address.

        Raises:
            SubstrateError: the API refused it.
        """
        ours = {RUN_LABEL: label_value(self._run)}
        port = {"name": "http", "port": PORT, "targetPort": urlsplit(metadata_url).port}
        self._api.create(
            path_of("services", namespace=self._namespace),
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": NAME, "namespace": self._namespace, "labels": ours},
                "spec": {"selector": {**ours, "app": APP}, "ports": [port]},
            },
        )
        return f"http://{NAME}.{self._namespace}:{PORT}"

    def remove(self) -> None:
        """Take the address away; where there is none nothing happens."""
        delete_if_there(self._api, path_of("services", namespace=self._namespace, name=NAME))
