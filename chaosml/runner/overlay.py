"""What is added to every pod so that it talks through the services.

Only environment: the S3 endpoint and the credential that names the pod, the
metadata endpoint of the pod's node, the control channel of the probe.
"""

from __future__ import annotations

from chaosml.services.client import Endpoints
from chaosml.workflow.protocol import EnvironmentVariable

__all__ = ["build"]


def build(endpoints: Endpoints) -> tuple[EnvironmentVariable, ...]:
    """Return the overlay; `$(NAME)` refers to an earlier variable, as in Kubernetes."""
    metadata = f"{endpoints.metadata_url}/nodes/$(NODE_NAME)/pods/$(CHAOSML_POD)"
    return (
        EnvironmentVariable("CHAOSML_POD", field="metadata.uid"),
        EnvironmentVariable("NODE_NAME", field="spec.nodeName"),
        EnvironmentVariable("CHAOSML_CONTROL", value=endpoints.control),
        EnvironmentVariable("AWS_ACCESS_KEY_ID", value="$(CHAOSML_POD)"),
        # The gate signs anew for the store: this is a place holder, not a secret.
        EnvironmentVariable("AWS_SECRET_ACCESS_KEY", value="chaosml"),
        EnvironmentVariable("AWS_DEFAULT_REGION", value="us-east-1"),
        EnvironmentVariable("AWS_ENDPOINT_URL_S3", value=endpoints.gate_url),
        EnvironmentVariable("AWS_EC2_METADATA_SERVICE_ENDPOINT", value=metadata),
    )
