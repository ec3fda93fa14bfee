"""The plan of a run: which faults, where, under which view; pure and seeded."""
