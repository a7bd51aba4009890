"""Adapters to disk: suites and their files, answers, users' scripts."""
