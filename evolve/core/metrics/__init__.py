"""Similarity of texts: one formula and its source in each file. All pure, scores in 0..1."""
