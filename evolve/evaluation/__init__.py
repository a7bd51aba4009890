"""A run of suites: put together, and run."""
