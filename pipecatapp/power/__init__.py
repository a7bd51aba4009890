"""The power agent: services that sleep until somebody connects."""
