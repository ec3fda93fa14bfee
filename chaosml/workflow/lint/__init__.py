"""What is wrong with a Workflow beyond the form of its objects, as Argo's linter would find it."""
