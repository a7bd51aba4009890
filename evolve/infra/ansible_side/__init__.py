"""The files that import Ansible: run in a child process alone, never imported by the rest of the package.

They are under GPL-3.0-or-later, as Ansible is; the parent (`evolve.infra.verification.plays`) exchanges JSON with them
over a pipe. Of the rest of the package they import `evolve.infra.hosts.connections`, which imports no Ansible.
"""
