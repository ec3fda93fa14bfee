"""Scenario documents: the model, loading with every problem at once."""
