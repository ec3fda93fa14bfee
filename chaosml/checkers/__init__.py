"""Pure functions from timelines to verdicts; one checker a file."""
