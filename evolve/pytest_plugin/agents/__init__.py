"""Agents in Python tests: what they were asked and answered, and the cases made of failures."""
