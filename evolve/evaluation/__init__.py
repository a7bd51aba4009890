"""Runs of suites: how they are set up, and run."""
