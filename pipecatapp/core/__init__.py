"""Decisions of the app: pure, with clock and chance as arguments."""
