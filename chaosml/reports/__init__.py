"""What people and machines read of a run: rendering only, from judged data."""
