"""testinfra on a container through Docker's API: no docker program, no address in the environment is needed."""

from typing import TYPE_CHECKING, Any

from testinfra.backend import base

from evolve.infra.engine.docker_engine import docker_faults
from evolve.infra.hosts.host_commands import run_in

if TYPE_CHECKING:
    import docker

COMMAND_TIMEOUT_S = 300
"""How long one command of a test may take; a third of the limit for all tests of a role, so that the rest can run."""


class ContainerBackend(base.BaseBackend):  # type: ignore[misc]  # testinfra has no types
    """testinfra's docker backend, on the engine that the container is on."""

    NAME = "docker"

    def __init__(self, name: str, client: "docker.DockerClient", **options: Any) -> None:
        self.name = name
        self.client = client
        super().__init__(name, **options)

    def run(self, command: str, *args: str, **kwargs: Any) -> base.CommandResult:  # noqa: ARG002 - testinfra's signature
        """Run testinfra's command line in the container's shell."""
        line = self.get_command(command, *args)
        with docker_faults(f"run {line} on {self.name}"):
            done = run_in(self.client, self.name, ["/bin/sh", "-c", line], timeout_s=COMMAND_TIMEOUT_S)
        return self.result(done.rc, self.encode(line), self.encode(done.stdout), self.encode(done.stderr))
