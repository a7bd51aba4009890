"""From a failed job's diagnostics to a case and an evolution."""
