"""The agent's tools: one file each, and the one way to run them."""
