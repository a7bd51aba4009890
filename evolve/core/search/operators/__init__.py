"""Operators: each proposes a child of a parent, by one bounded edit. One file for each."""

from evolve.core.search.operators._registry import Operator, Proposal, Reflecting, Situation, known_operators

__all__ = ["Operator", "Proposal", "Reflecting", "Situation", "known_operators"]
