"""An evolution as values: its events as lines of JSON, and their summary."""
