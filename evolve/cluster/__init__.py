"""Nomad and Consul: their clients, and a stand-in for Nomad."""
