"""The pure core: values and decisions. No files, network, clock or randomness except as arguments."""
