"""Argo documents and their semantics: model, expressions, reducer, views of a pod's death."""
