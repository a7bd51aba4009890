"""From a failed job's diagnostics to a failure case and an evolution."""
