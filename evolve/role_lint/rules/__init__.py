"""The rules, in a file for each or for a small family; the registry finds every `Rule` in here."""
