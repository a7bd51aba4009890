"""Simulated tools: a table says what each call does to a state and what it returns; no code runs."""
