"""The user's functions and scripts: how they are called, and how their answers are read."""
