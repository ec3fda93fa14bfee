"""Pods as local processes with the manners of Kubernetes under Argo."""
