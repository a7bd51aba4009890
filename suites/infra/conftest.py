"""The fixtures of provoked faults, for this folder alone."""

from fixtures.fault_trials import clean_engine, player, role, roles

__all__ = ["clean_engine", "player", "role", "roles"]
