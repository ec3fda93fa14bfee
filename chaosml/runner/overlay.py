"""What is added to every pod so that it talks through the services.

Only environment: the S3 endpoint and the credential that names the pod, the
metadata endpoint of the pod's node, the control channel of the probe.
"""

from __future__ import annotations

from chaosml.services.client import Endpoints
from chaosml.workflow.protocol import EnvironmentVariable

__all__ = ["build"]


def build(endpoints: Endpoints, *, google: bool = False) -> tuple[EnvironmentVariable, ...]:
    """Return the overlay; `$(NAME)` refers to an earlier variable, as in Kubernetes.

    Args:
        endpoints: Of the services.
        google: Whether a machine of Google is to be seen, too. Libraries of Google's take one for
            a source of credentials, so it is there only where a fault needs it.
    """
    metadata = f"{endpoints.metadata_url}/nodes/$(NODE_NAME)/pods/$(CHAOSML_POD)"
    host = EnvironmentVariable("GCE_METADATA_HOST", value=metadata.partition("://")[2])
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
        *((host,) if google else ()),
    )
