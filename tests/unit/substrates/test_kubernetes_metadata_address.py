"""The address of the metadata service for programs of the cluster."""

from __future__ import annotations

from chaosml.substrates.kubernetes.metadata_address import MetadataAddress
from chaosml.substrates.kubernetes.refusals import ApiError
from tests.unit.substrates.kubernetes_fakes import FakeApi

SERVICES = "/api/v1/namespaces/ml/services"


def test_a_service_of_a_fixed_name_leads_to_the_pod_of_this_run() -> None:
    api = FakeApi()
    url = MetadataAddress(api, "ml", "r1").publish("http://10.2.0.7:43211")
    assert url == "http://chaosml-metadata.ml:8080"
    method, path, body = api.asked[-1]
    assert (method, path) == ("POST", SERVICES)
    assert body["metadata"]["labels"] == {"chaosml.dev/run": "r1"}
    assert body["spec"]["selector"] == {"chaosml.dev/run": "r1", "app": "chaosml-services"}
    (port,) = body["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (8080, 43211)


def test_it_goes_with_the_run_and_going_twice_does_no_harm() -> None:
    api = FakeApi()
    address = MetadataAddress(api, "ml", "r1")
    address.remove()
    assert api.asked[-1][:2] == ("DELETE", f"{SERVICES}/chaosml-metadata")
    api.refusals["DELETE", f"{SERVICES}/chaosml-metadata"] = ApiError(404, "NotFound", "gone")
    address.remove()
