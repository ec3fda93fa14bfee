"""Configuration of an experiment: values of environment variables."""

import os


def load_configuration(info):
    return {name: os.environ[one["key"]] for name, one in info.items()}
