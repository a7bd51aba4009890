"""The app that the cluster exists for: the gateway to its experts, and the voice and chat agent."""
