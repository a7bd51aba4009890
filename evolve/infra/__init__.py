"""Roles on real hosts: the engine, hosts, plays, and what is proven about a role."""
