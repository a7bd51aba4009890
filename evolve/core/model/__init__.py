"""Values that every part of the core uses, and the ports: what the core asks of the world."""
