"""Text formats: reading them, and whether a text is one of them."""
