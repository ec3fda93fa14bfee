"""What in a workflow file will not survive, said before anything is run.

    run.lint(["pipelines/"]) ─► Outcome: findings with place, reason, fix, page
                                  └► formats: text, JSON, SARIF, annotations for GitHub

Rules (`rules/`, one module each) look at documents of Argo Workflows and at compiled packages
of Kubeflow Pipelines; what they say about Argo was read in its source or measured
(docs/survey.md). Nothing here runs or contacts anything.
"""
