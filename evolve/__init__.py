"""Anneal: suites, evolution and infrastructure checks for self-hosted agent clusters."""

__version__ = "0.1.0"
