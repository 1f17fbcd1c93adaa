"""Killed, raced and starved: whatever happens to a process, the next run gives what an undisturbed one would have."""
