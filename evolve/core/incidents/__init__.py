"""Failed jobs of a cluster: what recorded answers say about one, and whether a model's answer is an action."""
