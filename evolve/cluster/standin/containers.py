"""A task as a container of the machine's Docker engine: the driver docker."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from pathlib import Path
from urllib.parse import quote

from .drivers import CannotStart, Ending, Place, Say
from .engine import ContainerEngine, EngineGone, EngineRefusal, split_image
from .memory import MIB
from .shapes import Json, event

OWNER = "anneal.standin"
"""The label with the data folder of the agent whose container it is."""
MACHINE = "anneal.standin.machine"
KEYS = frozenset(
    (
        *("image", "command", "args", "entrypoint", "work_dir", "network_mode", "ports", "labels", "force_pull"),
        *("volumes", "readonly_rootfs", "cap_drop", "security_opt", "pids_limit"),
    )
)
"""What is read of a task's Config."""
INSIDE = {"NOMAD_ALLOC_DIR": "/alloc", "NOMAD_TASK_DIR": "/local", "NOMAD_SECRETS_DIR": "/secrets"}
LOG_END_S = 5.0


class TaskContainer:
    """A container; `kept` has its id and how long the logs were before it, so that a later agent can go on."""

    end_signal = signal.SIGTERM

    def __init__(self, spec: Json, place: Place, kept: Json) -> None:
        """A container that does not run yet, or one that an earlier agent left running."""
        self.kept = kept
        self._spec = spec
        self._place = place
        self._engine = ContainerEngine()
        self._reader: threading.Thread | None = None

    def start(self, say: Say) -> None:
        """Fetches the image where it is missing, and starts a container; raises CannotStart."""
        config = self._spec["Config"] or {}
        unknown = sorted(set(config) - KEYS)
        if unknown:
            raise CannotStart(f"the stand-in's docker driver does not know: {', '.join(unknown)}")
        if not config.get("image"):
            raise CannotStart("image name required for docker driver")
        try:
            self._fetch(str(config["image"]), say, forced=bool(config.get("force_pull")))
            self._create(config)
        except EngineGone as fault:
            raise CannotStart(str(fault), may_try_again=True) from fault
        self._follow()

    def _fetch(self, image: str, say: Say, *, forced: bool) -> None:
        if not forced and split_image(image)[1] != "latest" and self._has(image):
            return
        text = "Downloading image"
        say(event("Driver", text, details={"image": image}, DriverMessage=text))
        try:
            self._engine.pull(image)
        except EngineRefusal as fault:
            raise CannotStart(f"Failed to pull `{image}`: {fault}", may_try_again=True) from fault

    def _has(self, image: str) -> bool:
        try:
            self._engine.call("GET", f"/images/{quote(image)}/json")
        except EngineRefusal as fault:
            if fault.status == 404:
                return False
            raise CannotStart(f"Failed to find image `{image}`: {fault}") from fault
        return True

    def _create(self, config: Json) -> None:
        name = f"{self._spec['Name']}-{self._place.environment['NOMAD_ALLOC_ID']}"
        remove(self._engine, name)  # an agent that was killed right after it made one did not note its id
        try:
            made = self._engine.call("POST", f"/containers/create?name={name}", self._wanted(config))["Id"]
        except EngineRefusal as fault:
            raise CannotStart(f"Failed to create container: {fault}") from fault
        self.kept.update(container=made, log_sizes=[_size(file) for file in self._logs()])
        try:
            self._engine.call("POST", f"/containers/{made}/start")
        except EngineRefusal as fault:
            self.forget()
            raise CannotStart(f"Failed to start container {made}: {fault}") from fault

    def _wanted(self, config: Json) -> Json:
        fill = self._place.fill
        own = {key: fill(str(value)) for key, value in (self._spec["Env"] or {}).items()}
        given = {key: config[key] for key in ("entrypoint", "work_dir") if config.get(key)}
        command = [config["command"]] if config.get("command") else []
        ports = [self._port(label) for label in config.get("ports") or []]
        wanted: Json = {
            "Image": config["image"],
            "Env": [f"{key}={value}" for key, value in {**self._place.environment, **own}.items()],
            "Labels": {**_labels(config), **self._own_labels()},
            "ExposedPorts": {port: {} for port, _ in ports},
            "HostConfig": self._limits(config, dict(ports)),
        }
        arguments = [fill(str(one)) for one in (*command, *(config.get("args") or []))]
        if arguments:
            wanted["Cmd"] = arguments
        if "entrypoint" in given:
            entry = given["entrypoint"]
            wanted["Entrypoint"] = [entry] if isinstance(entry, str) else entry
        if "work_dir" in given:
            wanted["WorkingDir"] = given["work_dir"]
        if self._spec["User"]:
            wanted["User"] = self._spec["User"]
        return wanted

    def _limits(self, config: Json, ports: Json) -> Json:
        asked = self._spec["Resources"]
        most = max(asked["MemoryMB"], asked["MemoryMaxMB"]) * MIB
        folders = {"local": self._place.folder / "local", "secrets": self._place.folder / "secrets"}
        binds = [f"{path}:/{name}" for name, path in {**folders, "alloc": self._place.logs.parent}.items()]
        return {
            "Binds": [*binds, *(self._place.fill(str(one)) for one in config.get("volumes") or [])],
            "CpuShares": asked["CPU"],
            "Memory": most,
            "MemorySwap": most,  # without it a task over its limit swaps instead of ending
            "NetworkMode": config.get("network_mode") or "default",
            "PortBindings": ports,
            "ReadonlyRootfs": bool(config.get("readonly_rootfs")),
            "CapDrop": config.get("cap_drop") or [],
            "SecurityOpt": config.get("security_opt") or [],
            "PidsLimit": config.get("pids_limit") or None,
        }

    def _port(self, label: str) -> tuple[str, list[Json]]:
        number, address = (self._place.environment.get(f"NOMAD_{key}_{label}") for key in ("PORT", "IP"))
        if number is None:
            raise CannotStart(f'Port "{label}" not found, check network block')
        return f"{number}/tcp", [{"HostIp": address, "HostPort": number}]

    def _own_labels(self) -> Json:
        allocation = self._place.environment["NOMAD_ALLOC_ID"]
        return {**owned_by(self._place.owner), "com.hashicorp.nomad.alloc_id": allocation}

    def _logs(self) -> list[Path]:
        return [self._place.logs / f"{self._spec['Name']}.{stream}.0" for stream in ("stdout", "stderr")]

    def _follow(self) -> None:
        """Copies the container's output into the task's logs; what an earlier reader copied is written again."""
        for file, size in zip(self._logs(), self.kept["log_sizes"]):
            with file.open("ab") as log:
                log.truncate(size)
        self._reader = threading.Thread(target=self._read, args=(self.kept["container"],), daemon=True)
        self._reader.start()

    def _read(self, container: str) -> None:
        out, err = self._logs()
        broken_off = contextlib.suppress(EngineGone, EngineRefusal)
        with out.open("ab", 0) as to_out, err.open("ab", 0) as to_err, broken_off:
            for is_error, text in self._engine.logs(container):
                (to_err if is_error else to_out).write(text)

    def is_alive(self) -> bool:
        """Whether it runs; while the engine does not answer, what was so before."""
        if not self.kept:
            return False
        if self._reader is not None and self._reader.is_alive():
            return True  # its output ends when it does
        try:
            runs = bool(self._state()["Running"])
        except EngineGone:
            return True
        if runs:
            self._follow()
        return runs

    def _state(self) -> Json:
        try:
            found: Json = self._engine.call("GET", f"/containers/{self.kept['container']}/json")["State"]
        except EngineRefusal:
            return {"Running": False, "ExitCode": 137, "OOMKilled": False}  # somebody removed it
        return found

    def ending(self) -> Ending:
        """How it ended. Whether memory was the reason, engines do not always know (recording 14)."""
        try:
            state = self._state() if self.kept else {"ExitCode": 137, "OOMKilled": False}
        except EngineGone:
            state = {"ExitCode": 137, "OOMKilled": False}
        code = int(state["ExitCode"])
        said = f"Docker container exited with non-zero exit code: {code}" if code else ""
        return Ending(code, 0, bool(state["OOMKilled"]), said)

    def keep_to_limit(self) -> None:
        """Leaves the limit to the engine."""

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to its first process."""
        with contextlib.suppress(EngineGone, EngineRefusal):
            self._engine.call("POST", f"/containers/{self.kept['container']}/kill?signal={number.name}")

    def forget(self) -> None:
        """Removes it, once its output is in the logs."""
        if self._reader is not None:
            self._reader.join(LOG_END_S)
        if self.kept:
            with contextlib.suppress(EngineGone):
                remove(self._engine, self.kept["container"])
        self._reader = None
        self.kept.clear()


def owned_by(data_dir: str) -> Json:
    """The labels of an agent's containers."""
    return {OWNER: data_dir, MACHINE: socket.gethostname()}


def remove(engine: ContainerEngine, container: str) -> None:
    """Ends and removes a container, if it is there; raises EngineGone."""
    with contextlib.suppress(EngineRefusal):
        engine.call("DELETE", f"/containers/{container}?force=1&v=1")


def sweep(engine: ContainerEngine, data_dir: str, kept: set[str]) -> list[str]:
    """Removes what agents of this machine left: containers whose agent's data folder is gone, or this agent's unknown.

    Args:
        engine: where they are.
        data_dir: this agent's.
        kept: the containers that this agent knows.

    Returns:
        The ids of what was removed; raises EngineGone.
    """
    there = engine.call("GET", "/containers/json?all=1")
    mine = [one for one in there if (one["Labels"] or {}).get(MACHINE) == socket.gethostname()]
    over = [one["Id"] for one in mine if _is_left(one["Labels"][OWNER], one["Id"], data_dir, kept)]
    for container in over:
        remove(engine, container)
    return over


def _is_left(owner: str, container: str, data_dir: str, kept: set[str]) -> bool:
    return container not in kept if owner == data_dir else not Path(owner).exists()


def _labels(config: Json) -> Json:
    given = config.get("labels") or {}
    blocks = given if isinstance(given, list) else [given]
    return {key: str(value) for block in blocks for key, value in block.items()}


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
