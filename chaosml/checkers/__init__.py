"""The checkers: pure functions from timelines to verdicts, one expectation to a file.

`judge.judge` asks all of them.
"""
