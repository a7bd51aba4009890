"""Similarity of texts: one formula and its source in each file. All functions are pure; scores are in 0..1."""
