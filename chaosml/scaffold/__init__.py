"""`chaosml init`: the first scenario for somebody's own pipeline, with guesses marked as such.

    workflow file ─────────────────► subject ──────────────┐
    command ─► one-task workflow ─► subject ─► watched once ─► guesses ─► scenario text

Reading, guessing and rendering are pure; `watch` runs the pipeline once, `life` writes files.
"""
