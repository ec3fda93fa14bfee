"""Scenario documents: the model, loading with every problem at once, the JSON Schema."""
