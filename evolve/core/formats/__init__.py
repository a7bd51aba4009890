"""Text formats: readers, and checks that a text is of a format."""
