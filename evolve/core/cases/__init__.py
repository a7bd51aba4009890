"""Failure cases: what was captured of a real failure, made safe to keep."""
