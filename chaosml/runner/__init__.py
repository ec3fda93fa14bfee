"""The life of a run: plan, prepare, execute, heal, judge, report."""
