"""Failed jobs: when their diagnostics become a case, and when a case starts an evolution."""
