"""The Docker engine that hosts run on, and the end of everything that was started on it."""
