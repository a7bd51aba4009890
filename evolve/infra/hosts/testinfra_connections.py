"""A pytest plug-in for the tests of a role: testinfra's docker backend over connections that outlive a command."""

import shutil
from typing import Any

from testinfra.backend import base
from testinfra.backend.docker import DockerBackend

from evolve.infra.hosts.connections import ask


def pytest_configure() -> None:
    """Patch the backend's class, because tests or an inventory choose the backend by its name."""
    docker = shutil.which("docker")
    if docker is None:
        return
    stock = DockerBackend.run

    def run(self: DockerBackend, command: str, *args: str, **kwargs: Any) -> base.CommandResult:
        line = self.get_command(command, *args)
        # An open connection has the user's groups of the moment it was opened; testinfra's own looks them up each time.
        answer = ask([docker, "exec", "-i", self.name], ["/bin/sh", "-c", line]) if self.user is None else None
        if answer is None:
            return stock(self, command, *args, **kwargs)
        return self.result(answer.rc, self.encode(line), answer.stdout, answer.stderr)

    DockerBackend.run = run
