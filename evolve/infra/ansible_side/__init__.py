"""The files that import Ansible: run in a child process alone, never imported by the rest of the package.

They are under GPL-3.0-or-later, as Ansible is; the parent speaks JSON with them over a pipe (`evolve.infra.verification.plays`).
Of the rest of the package they import `evolve.infra.hosts.connections`, which imports no Ansible.
"""
