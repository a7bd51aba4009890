"""The rules, one file each or one for a small family; each `Rule` in here is found by itself."""
