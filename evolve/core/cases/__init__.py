"""Failure cases: data captured from real failures, redacted so that it is safe to keep."""
