"""Stands for the Chaos Toolkit where it is not installed: only what `activity` takes of it."""
