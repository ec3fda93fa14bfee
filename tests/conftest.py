"""What holds for every test: properties are reproducible, and no verdict depends on the load."""

from hypothesis import settings

settings.register_profile("reproducible", deadline=None, derandomize=True)
settings.load_profile("reproducible")
