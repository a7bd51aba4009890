"""Suites: the format, its checks, and the evaluations that a suite expands to."""
