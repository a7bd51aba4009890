"""Deploy the cluster: play playbook.yaml with gateway and agent as containers, or as programs of their hosts."""

import argparse
import ipaddress
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from evolve.core.model.errors import EnvironmentFault, ExitCode, InputError, Problem, ProcessFault
from evolve.infra.app_image import AGENT, BASE, CLONE, GATEWAY, IMAGES, make
from evolve.infra.prepare_hosts import say

PLAYBOOK: Final = CLONE / "playbook.yaml"
ROLES: Final = {GATEWAY: "moe_gateway", AGENT: "pipecatapp"}
"""The role of each image; the variables begin with it."""
GROUPS: Final = {"moe_gateway": "gateways", "pipecatapp": "agents"}
NEEDED_GROUPS: Final = ("controllers", "workers")
EXAMPLE: Final = ipaddress.ip_network("192.0.2.0/24")
"""For documents only: the addresses of inventory/hosts.yaml."""
INTERRUPTED: Final = 130
"""What a shell reports of a program that Ctrl-C ended."""
_DIGEST: Final = re.compile(r"[^\s@]+@sha256:[0-9a-f]{64}")
_FILE_OF_VARIABLES: Final = re.compile(r"(-e|--extra-vars=)?@")
_LOOKS_ONLY: Final = frozenset({"--syntax-check", "--list-hosts", "--list-tasks", "--list-tags"})
"""Options of ansible-playbook with which no host is asked."""
_CHANGES_NOTHING: Final = _LOOKS_ONLY | {"--check"}
_CHECK: Final = re.compile(r"-[vbkKDJ]*C")
"""`-C` of ansible-playbook, also after other letters that take no value: `-vC`."""
_NO_DIGEST: Final = f"sha256:{'0' * 64}"
"""In place of the digest that only a push would give."""


class Inventory(NamedTuple):
    """What Ansible knows of the hosts before it asks them."""

    sources: str
    """Its files, as they were given."""
    groups: Mapping[str, frozenset[str]]
    variables: Mapping[str, Mapping[str, Any]]
    """Of each host, as they are written."""

    def of(self, group: str) -> frozenset[str]:
        """Return the hosts of a group."""
        return self.groups.get(group, frozenset())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, and return one of `evolve`'s exit codes."""
    options, further = _parser().parse_known_args(argv)
    try:
        deploy(options, further)
    except InputError as error:
        for problem in error.problems:
            print(f"deploy: {problem}", file=sys.stderr)
        return ExitCode.INPUT
    except EnvironmentFault as fault:
        print(f"deploy: {fault}", file=sys.stderr)
        return ExitCode.ENVIRONMENT
    except KeyboardInterrupt:
        print("deploy: interrupted; the same command goes on from there", file=sys.stderr)
        return INTERRUPTED
    return ExitCode.DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./bootstrap.sh deploy",
        description=__doc__,
        epilog="Further options are those of ansible-playbook, for instance --check, --ask-become-pass, -e NAME=VALUE.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "-i",
        "--inventory",
        action="append",
        default=[],
        metavar="FILE",
        help="your hosts; inventory/hosts.yaml is an example to copy; may be given several times",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--run-local",
        action="store_true",
        help="gateway and agent run as programs of their hosts (raw_exec), from this clone's wheel; without it as"
        " containers (docker)",
    )
    where.add_argument(
        "--registry",
        metavar="HOST:PORT",
        help="build both images, and push them to this registry, which the hosts reach",
    )
    # Ansible's own, which the look at the inventory needs before the play does.
    vault = parser.add_argument_group("encrypted variables, as ansible-playbook takes them")
    vault.add_argument("--vault-id", action="append", default=[], metavar="ID")
    vault.add_argument("--vault-password-file", "--vault-pass-file", action="append", default=[], metavar="FILE")
    vault.add_argument(
        "-J", "--ask-vault-pass", "--ask-vault-password", action="store_true", help="asks twice: for the inventory, too"
    )
    return parser


def deploy(options: argparse.Namespace, further: Sequence[str]) -> None:
    """Play the playbook.

    Args:
        options: of the command line.
        further: arguments for ansible-playbook, which win over ours.

    Raises:
        InputError: no inventory, or one that cannot be deployed to; no image.
        EnvironmentFault: Ansible is not installed, or the play failed.
    """
    if not options.inventory:
        hint = "copy inventory/hosts.yaml, put your hosts there, and pass -i FILE"
        raise InputError(Problem("no inventory given", None, hint))
    inventory = read_inventory(options.inventory, _vault_words(options))
    is_real = not _has_option(further, _LOOKS_ONLY)
    problems = [*_problems_of(inventory, further), *(_example_hosts(inventory) if is_real else ())]
    if not options.run_local and not options.registry:
        problems += _missing_images(inventory, further)
    if problems:
        raise InputError(problems)
    changes = not (_has_option(further, _CHANGES_NOTHING) or any(map(_CHECK.match, further)))
    variables = _variables(options, changes=changes)
    _play(options.inventory, variables, [*_vault_words(options), *further])
    if changes:
        _say_what_to_keep(inventory, variables, further)


def _has_option(words: Sequence[str], options: frozenset[str]) -> bool:
    """Return whether one of the options is there, also shortened, as Ansible takes it: `--chec`."""
    long = [word for word in words if word.startswith("--") and len(word) > len("--")]
    return any(option.startswith(word) for word in long for option in options)


def read_inventory(files: Sequence[str], vault: Sequence[str] = ()) -> Inventory:
    """Return what Ansible makes of an inventory with this clone's `group_vars/`.

    Args:
        files: each a file, a folder, or names of hosts with commas.
        vault: arguments with which Ansible decrypts files of variables.

    Raises:
        InputError: there is none, or Ansible cannot read it.
        EnvironmentFault: Ansible is not installed.
    """
    hint = "inventory/hosts.yaml is an example to copy"
    missing = [one for one in files if "," not in one and not Path(one).exists()]
    if missing:
        raise InputError(Problem(f"{one}: no such inventory", None, hint) for one in missing)
    command = [_program("ansible-inventory"), *_sources(files), "--playbook-dir", str(CLONE), "--list", *vault]
    # Without it, what Ansible cannot read is an inventory without hosts.
    environment = {**_environment(), "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    path = ", ".join(files)
    if done.returncode:
        raise InputError(Problem(f"{path}: Ansible cannot read it: {done.stderr.strip()[-500:]}"))
    listed = json.loads(done.stdout)
    names = [name for name in listed if name != "_meta"]
    groups = {name: frozenset(_hosts_of(listed, name)) for name in names}
    return Inventory(path, groups, listed["_meta"]["hostvars"])


def _hosts_of(listed: Mapping[str, Any], group: str) -> Iterator[str]:
    found = listed.get(group, {})
    yield from found.get("hosts", ())
    for child in found.get("children", ()):
        yield from _hosts_of(listed, child)


def _problems_of(inventory: Inventory, further: Sequence[str]) -> Iterator[Problem]:
    for group in NEEDED_GROUPS:
        if not inventory.of(group):
            hint = "docs/cluster.md describes the groups"
            yield Problem(f"{inventory.sources}: no host in the group {group}", None, hint)
    for role, group in GROUPS.items():
        if not _may_give(further, f"{role}_driver"):
            yield from _problems_of_job(inventory, role, group)


def _problems_of_job(inventory: Inventory, role: str, group: str) -> Iterator[Problem]:
    """Yield why no job of Nomad can run on the hosts of a group; a unit of systemd runs on any."""
    hosts = inventory.of(group)
    if stray := hosts - inventory.of("workers"):
        text = f"{', '.join(sorted(stray))} of {group} is not in workers, which run Nomad's jobs"
        yield Problem(f"{inventory.sources}: {text}", None, f"name a worker there, or pass -e {role}_driver=systemd")
    if len(hosts) > 1:
        text = f"{group} has {', '.join(sorted(hosts))}, and Nomad's job runs on one host"
        yield Problem(f"{inventory.sources}: {text}", None, f"name one there, or pass -e {role}_driver=systemd")


def _example_hosts(inventory: Inventory) -> Iterator[Problem]:
    for host, variables in sorted(inventory.variables.items()):
        address = str(variables.get("ansible_host", host))
        if _is_example(address):
            yield Problem(
                f"{inventory.sources}: {host} has the example's address {address}", None, "put your hosts there"
            )


def _is_example(address: str) -> bool:
    try:
        return ipaddress.ip_address(address) in EXAMPLE
    except ValueError:
        return False


def _may_give(further: Sequence[str], name: str) -> bool:
    """Return whether arguments of ansible-playbook may give a variable, also in a file; Ansible judges its value."""
    return any(name in one or _FILE_OF_VARIABLES.match(one) for one in further)


def _vault_words(options: argparse.Namespace) -> list[str]:
    """Return the arguments with which a program of Ansible decrypts variables."""
    found = [f"--vault-id={one}" for one in options.vault_id]
    found += [f"--vault-password-file={one}" for one in options.vault_password_file]
    return [*found, *(["--ask-vault-pass"] if options.ask_vault_pass else [])]


def _missing_images(inventory: Inventory, further: Sequence[str]) -> Iterator[Problem]:
    for role, group in GROUPS.items():
        name = f"{role}_image"
        if _may_give(further, name) or _may_give(further, f"{role}_driver"):
            continue
        for host in sorted(inventory.of(group)):
            given = str(inventory.variables.get(host, {}).get(name, ""))
            if "{{" not in given and not _DIGEST.fullmatch(given):
                hint = (
                    f"--registry HOST:PORT builds and pushes it, {name} names one that is there, --run-local needs none"
                )
                yield Problem(f"{name}={given!r} of {host} is no image with its digest", None, hint)


def _variables(options: argparse.Namespace, *, changes: bool) -> dict[str, str]:
    """Return what the playbook is given: the driver of gateway and agent, and the images that were pushed.

    Args:
        options: of the command line.
        changes: whether the play may change anything; if not, no image is built.
    """
    driver = "raw_exec" if options.run_local else "docker"
    given = {f"{role}_driver": driver for role in ROLES.values()}
    if not options.run_local and options.registry:
        references = make(BASE, options.registry, IMAGES) if changes else _not_pushed(options.registry)
        given |= {f"{ROLES[image]}_image": one for image, one in zip(IMAGES, references, strict=True)}
    return given


def _not_pushed(registry: str) -> list[str]:
    names = [image.repository for image in IMAGES]
    say(f"nothing is built or pushed; a deployment would push {' and '.join(names)} to {registry}")
    say("the play gets a digest of zeros in place of theirs, so it shows both jobs as changed")
    return [f"{registry.rstrip('/')}/{name}@{_NO_DIGEST}" for name in names]


def _say_what_to_keep(inventory: Inventory, variables: Mapping[str, str], further: Sequence[str]) -> None:
    """Print the variables without which a plain play of the playbook would take this deployment back."""
    for role, group in GROUPS.items():
        mine = {name: value for name, value in variables.items() if name.startswith(f"{role}_")}
        for host in sorted(inventory.of(group)):
            known = inventory.variables.get(host, {})
            lost = [name for name in mine if not _may_give(further, name) and not _is_kept(name, mine, known)]
            if lost:
                say(f"{host}: to play playbook.yaml by itself with the same result, put this into its variables:")
                for name in lost:
                    say(f"  {name}: {mine[name]}")


def _is_kept(name: str, mine: Mapping[str, str], known: Mapping[str, Any]) -> bool:
    """Return whether a host's own variables give what the deployment gave."""
    given = str(known.get(name, ""))
    if "{{" not in given:
        return given == mine[name]
    # The driver of group_vars/all.yaml: a container where there is an image.
    image = name.replace("_driver", "_image")
    return (mine[name] == "docker") == bool(mine.get(image) or known.get(image))


def _play(files: Sequence[str], variables: Mapping[str, str], further: Sequence[str]) -> None:
    say("; ".join(f"{name}: {value}" for name, value in variables.items()))
    given = ["-e", json.dumps(variables), *further]
    command = [_program("ansible-playbook"), *_sources(files), str(PLAYBOOK), *given]
    if code := _wait_for(subprocess.Popen(command, env=_environment())):
        text = f"ansible-playbook ended with {code}: its message is above, at the first `fatal`"
        raise ProcessFault(f"{text}; the same command goes on from there", command="ansible-playbook", code=code)


def _wait_for(process: "subprocess.Popen[bytes]") -> int:
    """Return the exit code of a program, which gets Ctrl-C as we do, and ends what it does on the hosts by itself."""
    is_interrupted = False
    while True:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            is_interrupted = True
            continue
        if is_interrupted:
            raise KeyboardInterrupt
        return code


def _sources(files: Sequence[str]) -> list[str]:
    return [word for one in files for word in ("-i", one)]


def _program(name: str) -> str:
    """Return a program of Ansible that belongs to this Python."""
    path = Path(sys.executable).parent / name
    if not path.is_file():
        raise EnvironmentFault(f"Ansible is not installed: no {path}", hint="./bootstrap.sh deploy installs it")
    return str(path)


def _environment() -> dict[str, str]:
    """Return an environment in which this clone's settings count, wherever the command was typed."""
    return {"ANSIBLE_CONFIG": str(CLONE / "ansible.cfg"), **os.environ}


if __name__ == "__main__":
    sys.exit(main())
