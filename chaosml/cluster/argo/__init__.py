"""Argo Workflows in a cluster: what is there, and how ours gets there."""

from chaosml.cluster.argo.found import ArgoInstall, find
from chaosml.cluster.argo.install import ensure, fits, images, render

__all__ = ["ArgoInstall", "ensure", "find", "fits", "images", "render"]
