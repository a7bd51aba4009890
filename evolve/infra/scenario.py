"""A role under test and its scenario: what its Molecule files say about hosts, variables, plays, faults and tests."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from evolve.core.errors import InputError, Location, Problem

_VARIABLE: Final = re.compile(r"\$(?:(\w+)|\{(\w+)(?:(:?-)([^}]*))?\})")
"""Molecule's interpolation: `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME-default}`; `$$` is handled before."""

VERIFICATION_FILE: Final = "verification.yaml"


@dataclass(frozen=True, slots=True)
class Platform:
    """One host of a scenario."""

    name: str
    groups: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    tmpfs: tuple[str, ...] = ()
    """Mounts besides those of every host, such as `/data:size=5m`."""
    capabilities: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    memory: str | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """A way to break one requirement of a role."""

    name: str
    tasks: tuple[Mapping[str, Any], ...]
    """Ansible tasks that break it, played on a fresh host."""
    message: str
    """Must stand in the message that the role fails with."""
    vars: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Varying:
    """Files that two good converges may leave different, and why."""

    path: str
    """A glob of paths on the host."""
    reason: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """How a role is verified."""

    role: str
    role_dir: Path
    platforms: tuple[Platform, ...]
    variables: Mapping[str, Mapping[str, Any]]
    """`group_vars` and `host_vars` of the scenario's inventory: `{"group_vars/all": {...}, "host_vars/one": {...}}`."""
    environment: Mapping[str, str]
    """For the plays and the tests."""
    prepare: Path | None
    converge: Path | None
    """None: the role has no scenario; it is applied to one host with its defaults."""
    faults: tuple[Fault, ...]
    tests: Path | None
    """Folder of testinfra tests."""
    verify: Path | None = None
    """A playbook that checks the converged hosts, where Molecule's Ansible verifier is used."""
    exceptions: Mapping[str, str] = field(default_factory=dict)
    """Release: why the role does not run there."""
    varying: tuple[Varying, ...] = ()
    notes: tuple[str, ...] = ()
    """What of the scenario's files is not followed."""


def load_scenario(role_dir: Path, *, release: str = "bookworm", name: str = "default") -> Scenario:
    """The scenario `molecule/NAME` of a role; a role without one gets a single host and its defaults.

    Raises:
        InputError: every problem of its files, with file and line.
    """
    reader = _Reader(role_dir, role_dir / "molecule" / name, release)
    scenario = reader.scenario()
    if reader.problems:
        raise InputError(reader.problems)
    return scenario


class _Reader:
    """Reads one scenario and collects what is wrong with it."""

    def __init__(self, role_dir: Path, folder: Path, release: str) -> None:
        self._role_dir = role_dir
        self._folder = folder
        self._environment = {
            **os.environ,
            "EVOLVE_INSTANCE": "host",
            "EVOLVE_RELEASE": release,
            "MOLECULE_PROJECT_DIRECTORY": str(role_dir),
            "MOLECULE_SCENARIO_DIRECTORY": str(folder),
            "MOLECULE_SCENARIO_NAME": folder.name,
        }
        self.problems: list[Problem] = []
        self._notes: list[str] = []

    def scenario(self) -> Scenario:
        config = self._mapping(self._read(self._folder / "molecule.yml", {}), "molecule.yml")
        provisioner = self._mapping(config.get("provisioner"), "provisioner")
        inventory = self._mapping(provisioner.get("inventory"), "provisioner.inventory")
        playbooks = self._mapping(provisioner.get("playbooks"), "provisioner.playbooks")
        own = self._mapping(self._read(self._folder / VERIFICATION_FILE, {}), VERIFICATION_FILE)
        self._note_what_is_not_followed(config, inventory)
        return Scenario(
            role=self._role_dir.name,
            role_dir=self._role_dir,
            platforms=self._platforms(config),
            variables=self._variables(inventory),
            environment={str(key): str(value) for key, value in self._mapping(provisioner.get("env"), "env").items()}
            | {key: self._environment[key] for key in self._environment if key.startswith("MOLECULE_")},
            prepare=self._play(playbooks, "prepare"),
            converge=self._play(playbooks, "converge"),
            faults=self._faults(),
            tests=self._tests(config),
            verify=self._play(playbooks, "verify"),
            exceptions={str(key): str(why) for key, why in self._mapping(own.get("releases"), "releases").items()},
            varying=self._varying(own),
            notes=tuple(self._notes),
        )

    def _read(self, path: Path, default: Any) -> Any:
        if not path.exists():
            return default
        try:
            text = path.read_text("utf-8")
            data = yaml.safe_load(self._interpolated(text) if path.name == "molecule.yml" else text)
        except (OSError, UnicodeDecodeError) as error:
            self.problems.append(Problem(f"cannot be read: {error}", Location(str(path))))
            return default
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = mark.line + 1 if mark else None
            self.problems.append(Problem(getattr(error, "problem", None) or str(error), Location(str(path), line)))
            return default
        return default if data is None else data

    def _interpolated(self, text: str) -> str:
        def value(match: re.Match[str]) -> str:
            name, kind, default = match[1] or match[2], match[3], match[4]
            given = self._environment.get(name)
            is_missing = not given if kind == ":-" else given is None
            return (default or "") if is_missing else str(given)

        return "$".join(_VARIABLE.sub(value, part) for part in text.split("$$"))

    def _mapping(self, value: Any, what: str) -> dict[str, Any]:
        if value is None or isinstance(value, dict):
            return value or {}
        self.problems.append(Problem(f"{what} must be a mapping, not {value!r}", Location(str(self._folder))))
        return {}

    def _platforms(self, config: Mapping[str, Any]) -> tuple[Platform, ...]:
        given = config.get("platforms")
        if not given:
            return (Platform(self._role_dir.name.replace("_", "-")),)
        found = [self._platform(self._mapping(part, "platforms[]")) for part in given]
        names = [platform.name for platform in found]
        for name in {name for name in names if names.count(name) > 1}:
            self.problems.append(Problem(f"two platforms are called {name!r}", Location(str(self._folder))))
        return tuple(found)

    def _platform(self, part: Mapping[str, Any]) -> Platform:
        networks = [net["name"] if isinstance(net, dict) else str(net) for net in part.get("networks") or ()]
        tmpfs = part.get("tmpfs") or ()
        mounts = [f"{at}:{how}".rstrip(":") for at, how in tmpfs.items()] if isinstance(tmpfs, dict) else tmpfs
        return Platform(
            name=str(part.get("name") or self._role_dir.name),
            groups=tuple(map(str, part.get("groups") or ())),
            networks=tuple(networks),
            tmpfs=tuple(map(str, mounts)),
            capabilities=tuple(map(str, part.get("capabilities") or ())),
            environment={str(key): str(value) for key, value in (part.get("env") or {}).items()},
            memory=str(part["memory"]) if part.get("memory") else None,
        )

    def _variables(self, inventory: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        return {
            f"{kind}/{name}": self._mapping(values, f"{kind}.{name}")
            for kind in ("group_vars", "host_vars")
            for name, values in self._mapping(inventory.get(kind), kind).items()
        }

    def _play(self, playbooks: Mapping[str, Any], name: str) -> Path | None:
        path = self._folder / str(playbooks.get(name) or f"{name}.yml")
        if path.exists():
            return path.resolve()
        if name in playbooks:
            self.problems.append(Problem(f"the playbook of {name} is not there", Location(str(path))))
        return None

    def _faults(self) -> tuple[Fault, ...]:
        path = self._folder / "preflight_faults.yaml"
        return tuple(
            Fault(str(part["name"]), tuple(part.get("tasks") or ()), str(part["message"]), part.get("vars") or {})
            for part in self._listed(path, self._read(path, []), ("name", "message"))
        )

    def _varying(self, own: Mapping[str, Any]) -> tuple[Varying, ...]:
        path = self._folder / VERIFICATION_FILE
        parts = self._listed(path, own.get("varies") or [], ("path", "reason"))
        return tuple(Varying(str(part["path"]), str(part["reason"])) for part in parts)

    def _listed(self, path: Path, parts: Any, needed: tuple[str, ...]) -> list[dict[str, Any]]:
        """The entries of a list of mappings that have what they need; the others are problems."""
        if not isinstance(parts, list):
            self.problems.append(Problem(f"must be a list, not {parts!r}", Location(str(path))))
            return []
        good = []
        for number, part in enumerate(parts, start=1):
            missing = [key for key in needed if not (isinstance(part, dict) and part.get(key))]
            if missing:
                self.problems.append(Problem(f"entry {number} lacks {', '.join(missing)}", Location(str(path))))
            else:
                good.append(part)
        return good

    def _tests(self, config: Mapping[str, Any]) -> Path | None:
        verifier = self._mapping(config.get("verifier"), "verifier")
        folder = self._folder / str(verifier.get("directory") or "tests")
        return folder if folder.is_dir() and any(folder.rglob("test_*.py")) else None

    def _note_what_is_not_followed(self, config: Mapping[str, Any], inventory: Mapping[str, Any]) -> None:
        driver = self._mapping(config.get("driver"), "driver").get("name", "docker")
        if driver not in ("docker", "default", "podman"):
            self._notes.append(f"the driver {driver} is not used: hosts are our own systemd containers")
        if "links" in inventory:
            self._notes.append("provisioner.inventory.links are not followed")
        self._notes.extend(
            f"{name}.yml is not played"
            for name in ("side_effect", "cleanup")
            if (self._folder / f"{name}.yml").exists()
        )
