"""A Docker engine of our own: installed from Debian's packages where that is allowed, started, and stopped again."""

import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from evolve.core.model.errors import DockerFault, EnvironmentFault, ProcessFault
from evolve.infra.engine.docker_engine import DockerEngine, connect

ENGINE_PACKAGES = ("docker.io", "iptables")
START_TIMEOUT_S = 60
"""How long dockerd may take until it answers; a slow disk takes many seconds, a broken set-up ends at once."""

STOP_TIMEOUT_S = 60
"""How long dockerd may take to end: it gives its containers time to stop first."""

LOG_LINES = 15
"""How much of a log's end a message shows: the reason is in the last lines, and the message fits a screen."""

CONTAINER_NOFILE = 1_048_576
"""The limit of open files that an engine requests for its containers by default."""

SOFT_NOFILE = 1024
"""The soft limit of open files in containers: the kernel's usual one, which programs with `select` expect."""

CAP_SYS_RESOURCE = 24
"""The bit of the capability to raise limits (capabilities(7))."""

LONGEST_SOCKET_PATH = 107
"""Bytes; unix(7): `sun_path` has 108, with the final zero."""

SYSTEM_PATH = os.pathsep.join(("/usr/local/sbin", "/usr/sbin", "/sbin"))

Say = Callable[[str], None]


def program(name: str) -> str | None:
    """Return where a program is, also among those for administrators, which a user's PATH may lack."""
    return shutil.which(name) or shutil.which(name, path=SYSTEM_PATH)


def may_install() -> bool:
    """Return whether this process may install Debian's packages."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(packages: Sequence[str], say: Say) -> None:
    """Install packages; without the right to do so, the error says what to type.

    Raises:
        EnvironmentFault: no root, no apt, or apt failed; with the end of its output.
    """
    line = f"apt-get install {' '.join(packages)}"
    if not may_install():
        raise EnvironmentFault(f"{' '.join(packages)} must be installed, by root", hint=f"sudo {line}")
    say(f"installing {' '.join(packages)}")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", *packages]):
        done = subprocess.run(
            ["apt-get", *words], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode:
            text = f"apt-get {words[0]} failed:\n{_end(done.stdout + done.stderr)}"
            raise ProcessFault(text, command=f"apt-get {words[0]}", code=done.returncode, hint=line)


def command(folder: Path) -> list[str]:
    """Return the command line of the engine whose data, socket and process file are in `folder`."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return [
        program("dockerd") or "dockerd",
        *("--data-root", str(folder / "data")),
        *("--exec-root", str(folder / "exec")),
        *("-p", str(folder / "docker.pid")),
        *("-H", f"unix://{folder / 'docker.sock'}"),
        *nofile_options(hard, may_raise=_may_raise_limits()),
    ]


def nofile_options(hard: int, *, may_raise: bool) -> list[str]:
    """Return options that keep containers below a limit of open files that this machine cannot raise; else nothing."""
    if may_raise or hard == resource.RLIM_INFINITY or hard >= CONTAINER_NOFILE:
        return []
    return ["--default-ulimit", f"nofile={min(SOFT_NOFILE, hard)}:{hard}"]


def _may_raise_limits() -> bool:
    for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> CAP_SYS_RESOURCE & 1)
    return False


def start(folder: Path, say: Say) -> DockerEngine:
    """Start the engine in `folder`, detached, and return it once it answers.

    Raises:
        EnvironmentFault: no root, no dockerd, it ended, or it did not answer in time; with the end of its log.
    """
    _check_start(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if running_pid(folder) is None:
        # A killed engine left them; other processes may have their numbers now, and dockerd would take one for itself.
        for stale in ("docker.pid", "exec/containerd/containerd.pid"):
            (folder / stale).unlink(missing_ok=True)
    log = folder / "dockerd.log"
    say(f"starting dockerd; its log is {log}")
    with log.open("ab") as out:
        process = subprocess.Popen(
            command(folder), stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    engine = _wait(process, folder, log)
    # It runs on without us on purpose; without a return code, Popen would warn that nobody waited for it.
    process.returncode = 0
    return engine


def _check_start(folder: Path) -> None:
    if os.geteuid():
        raise EnvironmentFault(
            "dockerd is here but does not run, and only root may start it",
            hint="sudo systemctl start docker, or as root: python -m evolve.infra.prepare_hosts",
        )
    if program("dockerd") is None:
        raise EnvironmentFault("there is no dockerd", hint=f"sudo apt-get install {' '.join(ENGINE_PACKAGES)}")
    socket_path = str(folder / "docker.sock")
    if len(socket_path.encode()) > LONGEST_SOCKET_PATH:
        raise EnvironmentFault(
            f"the socket's path has more than {LONGEST_SOCKET_PATH} bytes: {socket_path}",
            hint="set EVOLVE_CACHE_DIR to a shorter one",
        )


def _wait(process: "subprocess.Popen[bytes]", folder: Path, log: Path) -> DockerEngine:
    deadline = time.monotonic() + START_TIMEOUT_S
    why = "nothing yet"
    while time.monotonic() < deadline:
        try:
            return connect(f"unix://{folder / 'docker.sock'}")
        except DockerFault as fault:
            why = str(fault)
        if process.poll() is not None:
            raise ProcessFault(
                f"dockerd ended with {process.returncode}; the end of {log}:\n{_end(_text(log))}",
                command="dockerd",
                code=process.returncode,
                hint="see the log; iptables and cgroups are the usual reasons",
            )
        time.sleep(0.1)
    process.terminate()
    process.wait()
    text = f"dockerd did not answer within {START_TIMEOUT_S} s ({why}):\n{_end(_text(log))}"
    raise ProcessFault(text, command="dockerd")


def running_pid(folder: Path) -> int | None:
    """Return the process of the engine in `folder`, never one that reuses its number; None when it does not run."""
    try:
        pid = int((folder / "docker.pid").read_text(encoding="ascii"))
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except (OSError, ValueError):
        return None
    is_ours = words[0].rpartition("/")[2] == "dockerd" and f"unix://{folder / 'docker.sock'}" in words
    return pid if is_ours else None


def stop(folder: Path) -> bool:
    """Stop the engine that was started in `folder`, with its containers, and wait for its end.

    Returns:
        Whether there was one.

    Raises:
        EnvironmentFault: it belongs to root and this user is not, or it does not end.
    """
    pid = running_pid(folder)
    if pid is None:
        return False
    try:
        os.kill(pid, signal.SIGTERM)
    except PermissionError as exc:
        raise EnvironmentFault(f"only root may stop dockerd (process {pid})", hint=f"sudo kill {pid}") from exc
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while running_pid(folder) == pid:
        if time.monotonic() > deadline:
            raise ProcessFault(f"dockerd (process {pid}) did not end within {STOP_TIMEOUT_S} s", command="dockerd")
        time.sleep(0.1)
    return True


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _end(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines()[-LOG_LINES:])
