"""The fault catalogue and its injectors; they know capabilities, never substrates."""
