"""Judging: from an output to verdicts, scores and the outcome of a suite."""
