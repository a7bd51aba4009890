"""The evolution of one agent: search, gate and promotion, put together."""
