"""Chaos testing for ML pipelines: proves that a pipeline resumes, or names the defect."""
