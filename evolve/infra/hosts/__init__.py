"""Systemd hosts in containers: what tests and checks do with them, and their state as a value."""
