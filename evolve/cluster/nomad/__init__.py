"""Nomad's HTTP API: values, operations and the client."""
