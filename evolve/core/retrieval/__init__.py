"""Finds answers and demos by the words of a case, without a model."""
