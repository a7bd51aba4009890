"""Values that every part of the core uses, and the ports: what the core needs from the outside world."""
