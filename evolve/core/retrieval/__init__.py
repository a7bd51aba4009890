"""Answers and demos found by likeness of words, without any model."""
