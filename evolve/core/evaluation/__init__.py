"""Judging an output: verdicts, scores and the outcome of a suite."""
