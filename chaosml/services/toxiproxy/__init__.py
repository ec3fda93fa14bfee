"""An embedded Toxiproxy: TCP proxies with faults, and the API that Toxiproxy's clients speak."""

from chaosml.services.toxiproxy.server import Toxiproxy

__all__ = ["Toxiproxy"]
