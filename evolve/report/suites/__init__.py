"""Reports of a run of suites."""
