"""The agent: it answers people on a page and requests of the gateway, with tools."""
