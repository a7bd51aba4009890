"""The gateway: one address with OpenAI's API for all experts of the cluster."""
