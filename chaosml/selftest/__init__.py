"""The test of the tests: pipelines with planted defects, and whether the checkers name them.

Imports nothing here: `chaosml.selftest.pods` runs inside pods.
"""
