"""Where the statements of rules can be checked; a file is named at the commit that was read."""

__all__ = ["ARGO", "ARGO_DOCS", "ARGO_ISSUES", "GKE_SPOT", "KFP", "KUBERNETES_PODS", "SURVEY"]

ARGO = "https://github.com/argoproj/argo-workflows/blob/f016ad89eb"
ARGO_ISSUES = "https://github.com/argoproj/argo-workflows/issues"
ARGO_DOCS = "https://argo-workflows.readthedocs.io/en/latest"
KFP = "https://github.com/kubeflow/pipelines/blob/7b70c7b95f"
GKE_SPOT = "https://docs.cloud.google.com/kubernetes-engine/docs/how-to/preemptible-vms"
KUBERNETES_PODS = "https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle"
SURVEY = "docs/survey.md: what real clusters did, 880 trials"
