"""The assertion types. A new one is one file in this folder that registers its function with `@assertion_type`."""

from evolve.core.assertions._registry import AssertionType, assertion_type, comparison_type, find_type, known_types

__all__ = ["AssertionType", "assertion_type", "comparison_type", "find_type", "known_types"]
