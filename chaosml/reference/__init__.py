"""Code that runs inside the reference pipelines; it imports only the probe."""
