"""The assertion types. To add one, write a file in this folder that registers a function with `@assertion_type`."""

from evolve.core.assertions._registry import AssertionType, assertion_type, comparison_type, find_type, known_types

__all__ = ["AssertionType", "assertion_type", "comparison_type", "find_type", "known_types"]
