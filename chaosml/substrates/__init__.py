"""Where pipelines run; the only place that knows processes or a cluster."""
