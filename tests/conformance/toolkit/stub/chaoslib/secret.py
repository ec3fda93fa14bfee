"""Secrets of an experiment: values of environment variables."""

import os


def load_secrets(info, configuration):
    return {
        group: {name: os.environ[one["key"]] for name, one in names.items()}
        for group, names in info.items()
    }
