"""Watches a cluster: failed jobs are diagnosed, healed within a policy, verified, and learnt from."""
