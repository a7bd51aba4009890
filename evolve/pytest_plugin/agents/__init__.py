"""Agents in Python tests: their questions and answers, and failure cases from failed tests."""
