"""An evolution as values: the request, its events as lines of JSON, and their summary."""
