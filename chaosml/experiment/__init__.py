"""Scenarios as experiments of the Chaos Toolkit, and their journals; the toolkit is not needed.

    scenario ─export─► experiment ─chaos run─► journal ─read─► doubts and runs ─► judged again

The functions that an experiment calls are in `chaosml.chaostoolkit`, which nobody imports.
"""
