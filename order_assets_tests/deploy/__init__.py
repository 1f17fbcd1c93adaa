"""The documented ways beyond one machine, driven as the page says."""
