"""The run directory: names, layout, journal and the `latest` link."""
