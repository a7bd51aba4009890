"""Failed jobs: when their diagnostics become a case, and when that starts an evolution."""
