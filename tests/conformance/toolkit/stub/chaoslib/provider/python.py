"""Functions that are called by their names."""

import importlib
import inspect


def run_python_activity(activity, configuration, secrets):
    provider = activity["provider"]
    func = getattr(importlib.import_module(provider["module"]), provider["func"])
    arguments = dict(provider["arguments"])
    if "secrets" in inspect.signature(func).parameters:
        arguments["secrets"] = secrets["chaosml"]
    return func(**arguments)
