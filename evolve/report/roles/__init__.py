"""Reports of a verification of roles."""
