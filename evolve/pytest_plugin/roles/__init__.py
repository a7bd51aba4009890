"""Checks of roles as pytest items."""
