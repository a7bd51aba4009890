"""Text as people, terminals and models get it."""
