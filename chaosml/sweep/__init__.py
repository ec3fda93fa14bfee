"""The sweep: recovery from a crash at every durable effect of a recorded execution.

A control is recorded with everything that it stored. The store as a crash at a point
leaves it is put together from the recording, and only what comes after the crash is
executed. The method is that of ALICE and CrashMonkey, for object stores and pipelines.
"""
