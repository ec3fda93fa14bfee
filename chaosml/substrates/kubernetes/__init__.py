"""The Kubernetes substrate: real pods, real Argo, on kind or any cluster that is named."""
