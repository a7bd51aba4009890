"""The hosts of one scenario, prepared and ready for plays; the inventory that plays and tests share."""

import contextlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from evolve.core.model.errors import EnvironmentFault
from evolve.core.model.role_checks import TaskLine
from evolve.infra.engine import scratch
from evolve.infra.engine.docker_engine import DockerEngine
from evolve.infra.hosts import host_state
from evolve.infra.hosts.host_state import HostState
from evolve.infra.hosts.labs import Host, Lab
from evolve.infra.verification.missing_parts import find_missing_part
from evolve.infra.verification.plays import Play, Played, Player
from evolve.infra.verification.role_links import RoleLinks, make_links
from evolve.infra.verification.scenario import Platform, Scenario
from evolve.system.role_layout import role_names

CONVERGE_ALL = """---
- name: Converge
  hosts: all
  gather_facts: true
  roles: [{role: %s}]
"""


@dataclass(frozen=True, slots=True)
class HostOptions:
    """What hosts get besides what their scenario asks for, and what of them is compared."""

    watched: tuple[str, ...] = ()
    """Globs of paths that are compared too, of any owner and in any place."""
    capabilities: tuple[str, ...] = ()
    """Names such as `SYS_TIME`."""
    is_privileged: bool = False
    """Whether they are privileged containers, where the engine allows that."""


@dataclass(frozen=True, slots=True)
class Member:
    """One host of a set."""

    platform: Platform
    host: Host
    since: float
    """When it began, by its own clock."""


class HostSet:
    """The running hosts of a scenario."""

    def __init__(
        self,
        scenario: Scenario,
        members: tuple[Member, ...],
        player: Player,
        folder: Path,
        lab: Lab,
        *,
        watched: Sequence[str] = (),
    ) -> None:
        self.scenario = scenario
        self.members = members
        self.engine_url = lab.engine.url
        self.is_saved = False
        """Whether images of its hosts are kept in its lab."""
        self._lab = lab
        self.connections_address = player.connections.address
        self._player = player
        self._folder = folder
        self._watched = tuple(watched)
        self._links: dict[Path, RoleLinks] = {}
        self.inventory = folder / "inventory.yaml"
        self.inventory.write_text(yaml.safe_dump(_inventory(scenario, members), sort_keys=False), "utf-8")

    def converge(
        self,
        *,
        extra_vars: Mapping[str, Any] | None = None,
        is_check: bool = False,
        stop_after: int | None = None,
        scenario: Scenario | None = None,
        hash_seed: int = 0,
    ) -> Played:
        """Apply the role, as its scenario says.

        Args:
            extra_vars: variables that override all others.
            is_check: use Ansible's check mode.
            stop_after: kill the play after this many results that are no skips.
            scenario: that of another version of the role.
            hash_seed: of Ansible's process; another one gives sets another order, as another process would.
        """
        chosen = scenario or self.scenario
        playbook = chosen.converge or self._write("converge.yml", CONVERGE_ALL % role_names(chosen.role_dir)[-1])
        return self._play(
            playbook, chosen, extra_vars=extra_vars, is_check=is_check, stop_after=stop_after, hash_seed=hash_seed
        )

    def play(self, playbook: Path) -> Played:
        """Play another playbook of the scenario on the hosts."""
        return self._play(playbook, self.scenario)

    def play_tasks(self, name: str, tasks: tuple[Mapping[str, Any], ...]) -> Played:
        """Play tasks on all hosts, as root."""
        play = [{"name": name, "hosts": "all", "gather_facts": True, "tasks": [dict(task) for task in tasks]}]
        return self._play(self._write("tasks.yml", yaml.safe_dump(play, sort_keys=False)), self.scenario)

    def states(self, also: Mapping[str, HostState] | None = None) -> dict[str, HostState]:
        """Return each host's current state by its name; with `also`, including the files of those other states."""
        return {
            member.host.name: host_state.take(
                member.host,
                member.since,
                also=also[member.host.name].files if also else (),
                watched=self._watched,
            )
            for member in self.members
        }

    def restart(self) -> None:
        """Restart all hosts, and wait until they run."""
        for member in self.members:
            member.host.restart()

    def remove(self) -> None:
        """Remove the hosts, and their lab unless it has saved hosts."""
        if self.is_saved:
            for member in self.members:
                member.host.remove()
        else:
            self._lab.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _find_links(self, scenario: Scenario) -> RoleLinks:
        """Return where the plays of a scenario find their roles; another version of the role has other links."""
        if scenario.role_dir not in self._links:
            folder = self._folder / f"links-{len(self._links)}"
            self._links[scenario.role_dir] = make_links(scenario, folder)
        return self._links[scenario.role_dir]

    def _play(self, playbook: Path, scenario: Scenario, **options: Any) -> Played:
        links = self._find_links(scenario)
        played = self._player.play(
            Play(
                playbook,
                self.inventory,
                links.roles_path,
                collections_path=links.collections_path,
                environment={**scenario.environment, "MOLECULE_INVENTORY_FILE": str(self.inventory)},
                **options,
            )
        )
        if played.rc > 0:
            self._see_that_hosts_are_up(played)
        return replace(played, lines=tuple(self._without_links(line) for line in played.lines))

    def _without_links(self, line: TaskLine) -> TaskLine:
        """Return a result whose file is named by its own path, not by a link that only the play needs."""
        is_link = Path(line.path).is_relative_to(self._folder)
        return replace(line, path=str(Path(line.path).resolve())) if is_link else line

    def _see_that_hosts_are_up(self, played: Played) -> None:
        """Raise EnvironmentFault for a host that is gone, so that it is not taken for a role that fails."""
        for host in (member.host for member in self.members):
            if not host.is_up:
                where = f"host {host.name} ({host.container})"
                raise EnvironmentFault(
                    f"{where} ended during the play: {played.why}\n{host.console(lines=10)}",
                    hint="run it again; if it ends at the same task again, the role ends it",
                )

    def _write(self, name: str, text: str) -> Path:
        path = self._folder / name
        path.write_text(text, "utf-8")
        return path


class HostSets:
    """Makes sets of hosts for one scenario; `prepare.yml` runs once, and the prepared hosts are saved.

    Args:
        options: what hosts get, and what of them is compared.
        are_many: whether more than one set is expected; if not, nothing is saved, and a second set is prepared again.
    """

    def __init__(
        self,
        scenario: Scenario,
        release: str,
        engine: DockerEngine,
        player: Player,
        *,
        options: HostOptions = HostOptions(),
        are_many: bool = True,
    ) -> None:
        self._scenario = scenario
        self._release = release
        self._engine = engine
        self._player = player
        self._options = options
        self._are_many = are_many
        # Hosts of two sets have the same names, so each set has a lab of its own.
        self._labs: list[Lab] = []
        self._folders: list[Path] = []
        self._images: dict[str, str] = {}

    def close(self) -> None:
        """Remove all hosts, networks and images."""
        while self._folders:
            shutil.rmtree(self._folders.pop(), ignore_errors=True)
        with contextlib.ExitStack() as stack:  # one that cannot be removed does not stop the others
            while self._labs:
                stack.callback(self._labs.pop().close)

    def fresh(self) -> HostSet:
        """Return new hosts that ran nothing but `prepare.yml`.

        Raises:
            EnvironmentFault: a host does not start, or preparing it fails; says why.
        """
        lab = Lab(self._engine, label=_plain(self._scenario.role))
        self._labs.append(lab)
        members = tuple(self._member(lab, platform) for platform in self._scenario.platforms)
        folder = scratch.folder("hosts")
        self._folders.append(folder)
        hosts = HostSet(self._scenario, members, self._player, folder, lab, watched=self._options.watched)
        if self._scenario.prepare is not None and not self._images:
            self._prepare(lab, hosts, self._scenario.prepare)
        return hosts

    def _prepare(self, lab: Lab, hosts: HostSet, playbook: Path) -> None:
        played = hosts.play(playbook)
        if not played.is_ok:
            missing = find_missing_part(played.why, self._scenario)
            hint = "" if missing else "fix prepare.yml"
            raise EnvironmentFault(f"{playbook} does not prepare the hosts: {missing or played.why}", hint=hint)
        for member in hosts.members if self._are_many else ():
            hosts.is_saved = True
            self._images[member.platform.name] = lab.save(member.host)
        # What prepare.yml changed is not the role's work, as on hosts that start from a saved image.
        hosts.members = tuple(replace(member, since=_now(member.host)) for member in hosts.members)

    def _member(self, lab: Lab, platform: Platform) -> Member:
        networks = [lab.network(_plain(name)) for name in platform.networks[:1]]
        host = lab.start(
            _plain(platform.name),
            release=self._release,
            image=self._images.get(platform.name),
            network=networks[0] if networks else None,
            tmpfs=[mount for mount in platform.tmpfs if mount not in ("/run", "/run/lock", "/tmp")],
            capabilities=[*platform.capabilities, *self._options.capabilities],
            privileged=self._options.is_privileged,
            environment=platform.environment,
            memory=platform.memory,
        )
        return Member(platform, host, _now(host))


def _now(host: Host) -> float:
    return float(host.run("date", "+%s.%N").stdout)


def _plain(name: str) -> str:
    # 40: labs accept names up to 42 characters, see `labs.NAME`.
    return name.lower().replace("_", "-").replace(".", "-")[:40].strip("-")


def _inventory(scenario: Scenario, members: tuple[Member, ...]) -> dict[str, Any]:
    """Return the inventory, with the scenario's variables."""
    of_all = dict(scenario.variables.get("group_vars/all", {}))
    hosts = {
        member.platform.name: {
            "ansible_host": member.host.container,
            "ansible_connection": "community.docker.docker",
            **scenario.variables.get(f"host_vars/{member.platform.name}", {}),
        }
        for member in members
    }
    groups = sorted({group for member in members for group in member.platform.groups})
    children = {
        group: {
            "hosts": {member.platform.name: {} for member in members if group in member.platform.groups},
            "vars": dict(scenario.variables.get(f"group_vars/{group}", {})),
        }
        for group in groups
    }
    return {**scenario.groups, "all": {"hosts": hosts, "vars": of_all, "children": children}}
