"""One systemd host in a container: what tests and checks may do with it."""

import io
import tarfile
import time
from typing import TYPE_CHECKING, Any

from evolve.core.model.errors import EnvironmentFault, ProcessFault
from evolve.infra.engine.docker_engine import DockerEngine
from evolve.infra.hosts.host_commands import Completed, run_in, tail

if TYPE_CHECKING:
    import docker
    from testinfra.host import Host as TestinfraHost

UP = ("running", "degraded")
"""systemd's states of a host that has booted; `degraded`: a unit failed, which a check of that unit reports better."""

BOOT_TIMEOUT_S = 90
"""How long a host may take to boot; systemd itself gives up on a unit after 90 s."""

STOP_TIMEOUT_S = 30
"""How long a host may take to shut down before Docker kills it."""

TELL_TIMEOUT_S = 10
"""How long a question to a host that boots may take; systemctl can hang while systemd starts."""

MACHINE_ID = "/etc/machine-id"


class Host:
    """A host that runs; made by `Lab.start`, removed by its lab."""

    def __init__(self, engine: DockerEngine, container: "docker.models.containers.Container", name: str, release: str):
        self._engine = engine
        self._container = container
        self.name = name
        """What the other hosts of its network call it."""
        self.container: str = container.name
        """The container's name, unique on the engine."""
        self.release = release
        self.image: str = container.attrs["Config"]["Image"]

    def __repr__(self) -> str:
        return f"Host({self.name!r}, container={self.container!r})"

    @property
    def address(self) -> str:
        """Its address in its network; a restart can change it."""
        with self._engine.map_docker_faults(f"look up the address of {self.container}"):
            self._container.reload()
        for network in self._container.attrs["NetworkSettings"]["Networks"].values():
            if network["IPAddress"]:
                return str(network["IPAddress"])
        raise EnvironmentFault(f"host {self.name} ({self.container}) has no address", hint="is it stopped?")

    @property
    def testinfra(self) -> "TestinfraHost":
        """The host for testinfra's modules."""
        from testinfra.host import Host as TestinfraHost

        from evolve.infra.hosts.testinfra_backend import ContainerBackend

        return TestinfraHost(ContainerBackend(self.container, self._engine.client))

    @property
    def is_up(self) -> bool:
        """Whether the container runs."""
        with self._engine.map_docker_faults(f"look at {self.container}"):
            self._container.reload()
        return bool(self._container.status == "running")

    def run(
        self,
        *argv: str,
        input: str | None = None,  # noqa: A002 - subprocess.run's word
        check: bool = True,
        timeout_s: float = 120,
        user: str = "root",
    ) -> Completed:
        """Run a command without a shell, and return its code and outputs.

        Args:
            argv: the command and its arguments.
            input: what it reads; None: nothing.
            check: raise ProcessFault, with the outputs, for a return code other than 0.
            timeout_s: when the command and its children are killed; that is a ProcessFault in any case.
            user: who runs it.
        """
        command = " ".join(argv)
        with self._engine.map_docker_faults(f"run {command} on host {self.name} ({self.container})"):
            done = run_in(self._engine.client, self.container, argv, input=input, timeout_s=timeout_s, user=user)
        if check and done.rc:
            text = f"{command} on host {self.name} ({self.container}): rc={done.rc}, expected 0{tail(done)}"
            raise ProcessFault(text, command=command, code=done.rc)
        return done

    def read(self, path: str) -> str:
        """Return the text of a file; raises ProcessFault when it cannot be read."""
        return self.run("cat", "--", path).stdout

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file with this text, owned by root; its folders are made."""
        self.run("install", "-D", "-m", f"{mode:o}", "/dev/stdin", path, input=text)

    def restart(self) -> None:
        """Shut the host down cleanly and start it; return when systemd runs again."""
        self.stop()
        self.start_again()

    def stop(self) -> None:
        """Shut the host down cleanly: services get their stop signal."""
        with self._engine.map_docker_faults(f"stop host {self.name} ({self.container})"):
            self._container.stop(timeout=STOP_TIMEOUT_S)

    def kill(self) -> None:
        """Cut the power."""
        with self._engine.map_docker_faults(f"kill host {self.name} ({self.container})"):
            self._container.kill("SIGKILL")
            self._container.wait(timeout=STOP_TIMEOUT_S)

    def start_again(self) -> None:
        """Start a stopped or killed host; return when systemd runs."""
        with self._engine.map_docker_faults(f"start host {self.name} ({self.container})"):
            self._container.start()
        self.wait_until_up()

    def wait_until_up(self, timeout_s: float = BOOT_TIMEOUT_S) -> str:
        """Return systemd's state, `running` or `degraded` (a unit failed), once it has booted.

        Raises:
            EnvironmentFault: it ended or did not boot in time; with what systemd waits for and the end of its log.
        """
        deadline = time.monotonic() + timeout_s
        state = "nothing yet"
        while time.monotonic() < deadline:
            left_s = max(1, deadline - time.monotonic())
            state = self._ask("systemctl", "is-system-running", "--wait", timeout_s=left_s) or state
            if state in UP:
                return state
            if not self.is_up:
                break
            time.sleep(0.03)  # systemctl waits by itself once systemd answers; this is for the moments before
        raise EnvironmentFault(
            f"host {self.name} ({self.container}, image {self.image}) {self._why_not_up(timeout_s, state)}\n"
            f"{self.console()}",
            hint="docs/hosts.md: 'When a host does not boot'",
        )

    def _why_not_up(self, timeout_s: float, state: str) -> str:
        if not self.is_up:
            return f"ended while it booted; systemd says: {state}"
        state = self._ask("systemctl", "is-system-running") or state
        jobs = self._ask("systemctl", "list-jobs", "--no-legend", "--no-pager")
        waits = f"; it waits for these jobs:\n{jobs}" if jobs else ""
        return f"did not boot within {timeout_s:g} s; systemd says: {state}{waits}"

    def _ask(self, *argv: str, timeout_s: float = TELL_TIMEOUT_S) -> str:
        """Return a command's output on a host that boots; empty while nothing answers, or when it does not end."""
        import docker

        try:
            return run_in(self._engine.client, self.container, argv, timeout_s=timeout_s).stdout.strip()
        except (docker.errors.APIError, ProcessFault):
            # The host ended or its boot hangs; the caller finds out which.
            return ""

    def journal(self, unit: str | None = None, lines: int = 200) -> str:
        """Return the end of the journal, of one unit or of all; for a host that is down, of its console."""
        if not self.is_up:
            return f"(host {self.name} is down; its console's end)\n{self.console()}"
        chosen = ("-u", unit) if unit else ()
        return self.run("journalctl", "--no-pager", "-b", "-n", str(lines), *chosen, check=False).stdout

    def console(self, lines: int = 50) -> str:
        """Return what systemd wrote to the container's log."""
        with self._engine.map_docker_faults(f"read the log of {self.container}"):
            return str(self._container.logs(tail=lines).decode(errors="replace")).strip()

    def commit(self, repository: str, tag: str) -> None:
        """Save the stopped host as an image whose copies get a machine id of their own."""
        with self._engine.map_docker_faults(f"save host {self.name} ({self.container})"):
            own = _file_of(self._container, MACHINE_ID)
            self._container.put_archive("/etc", _tar("machine-id", b""))
            self._container.commit(repository=repository, tag=tag, pause=False)
            self._container.put_archive("/etc", _tar("machine-id", own))

    def remove(self) -> None:
        """Remove the host at once; do nothing when it is gone already."""
        import docker

        with self._engine.map_docker_faults(f"remove host {self.name} ({self.container})"):
            try:
                self._container.remove(v=True, force=True)
            except docker.errors.NotFound:
                return


def _file_of(container: Any, path: str) -> bytes:
    pieces, _ = container.get_archive(path)
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as archive:
        content = archive.extractfile(archive.getmembers()[0])
        return content.read() if content else b""


def _tar(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(data), 0o444
        archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()
