"""A role under test and its scenario: what its Molecule files say about hosts, variables, plays, faults and tests."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from evolve.core.model.errors import InputError
from evolve.infra.image.base_recipe import DEFAULT_RELEASE
from evolve.infra.verification.scenario_files import Place, ScenarioFiles
from evolve.system.role_layout import collection_of

_VARIABLE: Final = re.compile(r"\$(?:(\w+)|\{(\w+)(?:(:?-)([^}]*))?\})")
"""Molecule's interpolation: `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME-default}`; `$$` is handled before."""

_OWN_IMAGE: Final = "anneal-host"
_OF_CONNECTIONS: Final = (
    "ansible_user", "ansible_connection", "ansible_host", "ansible_port", "ansible_password", "ansible_ssh_user",
    "ansible_become_password", "ansible_become_pass", "ansible_become_method",
)  # fmt: skip
_OWN_KEYS: Final = ("varies", "releases")
"""What `verification.yaml` may hold."""


@dataclass(frozen=True, slots=True)
class Platform:
    """One host of a scenario."""

    name: str
    groups: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    tmpfs: tuple[str, ...] = ()
    """Mounts in addition to those of every host, such as `/data:size=5m`."""
    capabilities: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    memory: str | None = None


@dataclass(frozen=True, slots=True)
class ScenarioFault:
    """A way to break one requirement of a role."""

    name: str
    tasks: tuple[Mapping[str, Any], ...]
    """Ansible tasks that break it, played on a fresh host."""
    message: str
    """A part of the message that the role must fail with."""
    vars: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Varying:
    """Files that may differ after two correct converges, and why."""

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
    faults: tuple[ScenarioFault, ...]
    tests: Path | None
    """Folder of testinfra tests."""
    verify: Path | None = None
    """A playbook that checks the converged hosts, where Molecule's Ansible verifier is used."""
    exceptions: Mapping[str, str] = field(default_factory=dict)
    """Release: why the role does not run there."""
    varying: tuple[Varying, ...] = ()
    notes: tuple[str, ...] = ()
    """Settings of the scenario's files that have no effect here."""
    wants_privileged: bool = False
    """Whether a platform asks to be privileged."""
    groups: Mapping[str, Any] = field(default_factory=dict)
    """Further groups of the inventory, as in Ansible's YAML inventories."""


def load_scenario(role_dir: Path, *, release: str = DEFAULT_RELEASE, name: str = "default") -> Scenario:
    """Return the scenario `molecule/NAME` of a role; a role without one gets a single host and its defaults.

    Raises:
        InputError: every problem of its files, with file and line.
    """
    reader = _Reader(role_dir, _scenario_folder(role_dir, name), release)
    scenario = reader.scenario()
    if reader.files.problems:
        raise InputError(reader.files.problems)
    return scenario


def _scenario_folder(role_dir: Path, name: str) -> Path:
    """Return the folder of a scenario: the role's, or in a collection the one that is called as the role."""
    own = role_dir / "molecule" / name
    collection = collection_of(role_dir)
    if own.is_dir() or collection is None:
        return own
    shared = [collection.root / part / "molecule" / role_dir.name for part in ("extensions", "")]
    return next((folder for folder in shared if folder.is_dir()), own)


class _Reader:
    """Reads one scenario."""

    def __init__(self, role_dir: Path, folder: Path, release: str) -> None:
        self._role_dir = role_dir
        self._folder = folder
        self._environment = {
            **os.environ,
            "EVOLVE_INSTANCE": "host",
            "EVOLVE_RELEASE": release,
            "MOLECULE_PROJECT_DIRECTORY": str(folder.parent.parent),
            "MOLECULE_SCENARIO_DIRECTORY": str(folder),
            "MOLECULE_SCENARIO_NAME": folder.name,
        }
        self.files = ScenarioFiles(folder)
        self._molecule = folder / "molecule.yml"
        self._notes: list[str] = []

    def scenario(self) -> Scenario:
        own = self._read_mapping(self.files.read(self._molecule, {}, changed=self._interpolate))
        config = _merged(self._base(), own)
        provisioner = self._read_mapping(config.get("provisioner"), "provisioner")
        inventory = self._read_mapping(provisioner.get("inventory"), "provisioner", "inventory")
        playbooks = self._read_mapping(provisioner.get("playbooks"), "provisioner", "playbooks")
        varying, exceptions = self._verification()
        self._note_what_is_not_followed(config, inventory)
        return Scenario(
            role=self._role_dir.name,
            role_dir=self._role_dir,
            platforms=self._platforms(config),
            variables=self._variables(inventory),
            environment=_texts(self._read_mapping(provisioner.get("env"), "provisioner", "env"))
            | {key: self._environment[key] for key in self._environment if key.startswith("MOLECULE_")},
            prepare=self._play(playbooks, "prepare"),
            converge=self._play(playbooks, "converge"),
            faults=self._faults(),
            tests=self._tests(config),
            verify=self._play(playbooks, "verify"),
            exceptions=exceptions,
            varying=varying,
            notes=tuple(self._notes),
            groups=self._groups(inventory),
            wants_privileged=any(part.get("privileged") for part in self._given_platforms(config)),
        )

    def _base(self) -> dict[str, Any]:
        """Return what the repository's `.config/molecule/config.yml` gives every scenario, without its platforms."""
        folders = [self._folder, *self._folder.parents]
        top = next((folder for folder in folders if (folder / ".git").exists()), None)
        path = top / ".config" / "molecule" / "config.yml" if top else self._molecule
        if top is None or not path.is_file():
            return {}
        base = self.files.read_mapping(self.files.read(path, {}, changed=self._interpolate), path)
        return {key: base[key] for key in ("provisioner", "verifier") if isinstance(base.get(key), dict)}

    def _interpolate(self, text: str) -> str:
        def value(match: re.Match[str]) -> str:
            name, kind, default = match[1] or match[2], match[3], match[4]
            given = self._environment.get(name)
            is_missing = not given if kind == ":-" else given is None
            return (default or "") if is_missing else str(given)

        return "$".join(_VARIABLE.sub(value, part) for part in text.split("$$"))

    def _read_mapping(self, value: Any, *place: str | int) -> dict[str, Any]:
        """Return a mapping of `molecule.yml`."""
        return self.files.read_mapping(value, self._molecule, place)

    def _read_list(self, part: Mapping[str, Any], key: str, place: Place) -> list[Any]:
        """Return a list of `molecule.yml`."""
        return self.files.read_list(part.get(key), self._molecule, (*place, key))

    def _platforms(self, config: Mapping[str, Any]) -> tuple[Platform, ...]:
        given = self._read_list(config, "platforms", ())
        if not given:
            return (Platform(self._role_dir.name.replace("_", "-")),)
        places: list[Place] = [("platforms", number) for number in range(len(given))]
        found = [self._platform(self._read_mapping(part, *at), at) for part, at in zip(given, places, strict=True)]
        names = [platform.name for platform in found]
        for name in sorted({name for name in names if names.count(name) > 1}):
            second = names.index(name, names.index(name) + 1)
            self.files.problem(f"two platforms are called {name!r}", self._molecule, places[second])
        return tuple(found)

    def _platform(self, part: Mapping[str, Any], place: Place) -> Platform:
        return Platform(
            name=str(part.get("name") or self._role_dir.name),
            groups=tuple(map(str, self._read_list(part, "groups", place))),
            networks=self._networks(part, place),
            tmpfs=self._mounts(part, place),
            capabilities=tuple(map(str, self._read_list(part, "capabilities", place))),
            environment=_texts(self._read_mapping(part.get("env"), *place, "env")),
            memory=str(part["memory"]) if part.get("memory") else None,
        )

    def _networks(self, part: Mapping[str, Any], place: Place) -> tuple[str, ...]:
        names = []
        for number, network in enumerate(self._read_list(part, "networks", place)):
            name = network.get("name") if isinstance(network, dict) else network
            if name:
                names.append(str(name))
                continue
            message = f"networks: entry {number + 1} lacks name: it is {network!r}"
            self.files.problem(message, self._molecule, (*place, "networks", number))
        return tuple(names)

    def _mounts(self, part: Mapping[str, Any], place: Place) -> tuple[str, ...]:
        given = part.get("tmpfs")
        if isinstance(given, dict):
            return tuple(f"{at}:{how}".rstrip(":") for at, how in given.items())
        return tuple(map(str, self._read_list(part, "tmpfs", place)))

    def _variables(self, inventory: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        where = ("provisioner", "inventory")
        return {
            f"{kind}/{name}": self._without_connection(self._read_mapping(values, *where, kind, str(name)))
            for kind in ("group_vars", "host_vars")
            for name, values in self._read_mapping(inventory.get(kind), *where, kind).items()
        }

    def _groups(self, inventory: Mapping[str, Any]) -> dict[str, Any]:
        where = ("provisioner", "inventory", "hosts")
        given = self._read_mapping(inventory.get("hosts"), *where)
        return {str(name): value for name, value in given.items() if name != "all"}

    def _without_connection(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return variables without those that fit another image: whom Ansible connects as, and how."""
        left_out = sorted(key for key in values if key in _OF_CONNECTIONS)
        if left_out:
            self._notes.append(f"{', '.join(left_out)} of the inventory: not used, plays connect as root")
        return {key: value for key, value in values.items() if key not in _OF_CONNECTIONS}

    def _play(self, playbooks: Mapping[str, Any], name: str) -> Path | None:
        path = self._folder / str(playbooks.get(name) or f"{name}.yml")
        if path.exists():
            return path.resolve()
        if name in playbooks:
            self.files.problem(f"the playbook for {name} does not exist", path)
        return None

    def _faults(self) -> tuple[ScenarioFault, ...]:
        path = self.files.own("preflight_faults")
        needed, other = ("name", "message"), ("tasks", "vars")
        entries = self.files.entries(self.files.read(path, []), path, needed=needed, other=other)
        return tuple(self._fault(part, path, place) for place, part in entries)

    def _fault(self, part: Mapping[str, Any], path: Path, place: Place) -> ScenarioFault:
        tasks = self.files.read_list(part.get("tasks"), path, (*place, "tasks"))
        checked = [self.files.read_mapping(task, path, (*place, "tasks", number)) for number, task in enumerate(tasks)]
        given = self.files.read_mapping(part.get("vars"), path, (*place, "vars"))
        return ScenarioFault(str(part["name"]), tuple(checked), str(part["message"]), given)

    def _verification(self) -> tuple[tuple[Varying, ...], dict[str, str]]:
        """Return what varies, and the releases that the role does not run on."""
        path = self.files.own("verification")
        own = self.files.read_mapping(self.files.read(path, {}), path)
        self.files.has_only(own, _OWN_KEYS, path)
        parts = self.files.entries(own.get("varies"), path, ("varies",), needed=("path", "reason"))
        varying = tuple(Varying(str(part["path"]), str(part["reason"])) for _, part in parts)
        return varying, _texts(self.files.read_mapping(own.get("releases"), path, ("releases",)))

    def _tests(self, config: Mapping[str, Any]) -> Path | None:
        verifier = self._read_mapping(config.get("verifier"), "verifier")
        folder = self._folder / str(verifier.get("directory") or "tests")
        return folder if folder.is_dir() and any(folder.rglob("test_*.py")) else None

    def _given_platforms(self, config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        given = config.get("platforms")
        return [part for part in given if isinstance(part, dict)] if isinstance(given, list) else []

    def _note_what_is_not_followed(self, config: Mapping[str, Any], inventory: Mapping[str, Any]) -> None:
        driver = self._read_mapping(config.get("driver"), "driver").get("name", "docker")
        if driver not in ("docker", "default", "podman"):
            self._notes.append(f"the driver {driver} is not used: hosts are our own systemd containers")
        if "links" in inventory:
            self._notes.append("provisioner.inventory.links are not followed")
        self._notes.extend(ignored_settings(self._given_platforms(config)))
        self._notes.extend(
            f"{name}.yml is not played"
            for name in ("side_effect", "cleanup")
            if (self._folder / f"{name}.yml").exists()
        )


def ignored_settings(platforms: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a note for each setting of platforms that has no effect on hosts, with what is used instead."""
    notes = []
    for part in platforms:
        name, image = part.get("name"), str(part.get("image") or "")
        if image and not image.startswith(f"{_OWN_IMAGE}:"):
            notes.append(f"the image {image} of {name} is not used: hosts are Debian, see --infra-release")
        if part.get("privileged"):
            notes.append(f"{name} is not privileged here: --infra-privileged makes hosts so")
        mounts = [str(volume) for volume in part.get("volumes") or [] if "/sys/fs/cgroup" not in str(volume)]
        if mounts:
            notes.append(f"volumes of {name} are not mounted: {', '.join(mounts)}")
    return list(dict.fromkeys(notes))


def _merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return two configurations as one, mapping by mapping; the second has precedence, as in Molecule."""
    both = dict(base)
    for key, value in own.items():
        known = both.get(key)
        both[key] = _merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return both


def _texts(given: Mapping[str, Any]) -> dict[str, str]:
    return {str(key): str(value) for key, value in given.items()}
