"""Hosts that something is wrong with: the role says what, where and what next, and converges once that is repair."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest

from evolve.infra.engine.docker_engine import DockerEngine
from evolve.infra.hosts.host_differences import differences
from evolve.infra.hosts.host_state import HostState
from evolve.infra.hosts.labs import Host
from evolve.infra.verification.host_set import HostSet, HostSets
from evolve.infra.verification.plays import Player
from evolve.infra.verification.scenario import load_scenario
from evolve.infra.verification.verification import relative
from fixtures.fault_trials import PAGE, leaving_nothing, only_host

FULL_DISK = "mkdir -p /srv/page; mount -t tmpfs -o {} tmpfs /srv/page"
DEB = """
mkdir -p /opt/deb/DEBIAN
printf 'Package: slow\\nVersion: 1\\nArchitecture: all\\nMaintainer: nobody\\nDescription: slow\\n' \
  > /opt/deb/DEBIAN/control
printf '#!/bin/sh\\ntest -e /opt/quick || {{ touch /opt/begun; sleep 600; }}\\n' > /opt/deb/DEBIAN/postinst
chmod 755 /opt/deb/DEBIAN/postinst
dpkg-deb --build /opt/deb /opt/slow.deb
{}
"""
KILLED_APT = DEB.format(
    """
apt-get install -y /opt/slow.deb & apt=$!
until test -e /opt/begun; do sleep 0.05; done
kill -9 $apt; pkill -9 -x dpkg; pkill -9 -f 'slow[.]postinst'
touch /opt/quick
"""
)
LOCK = """
import fcntl, pathlib, time
lock = open("/var/lib/dpkg/lock-frontend", "w")
fcntl.lockf(lock, fcntl.LOCK_EX)
pathlib.Path("/run/locked").touch()
time.sleep(600)
"""
LOCKED_APT = DEB.format(
    f"""
touch /opt/quick
systemd-run --unit=locker python3 -c '{LOCK}'
until test -e /run/locked; do sleep 0.05; done
"""
)
SQUATTER = """
systemd-run --unit=squatter python3 -m http.server {}
until ss -Hltn 'sport = :{}' | grep -q LISTEN; do sleep 0.05; done
"""
ASK = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080/', timeout=10).read().decode())"
TASK = re.compile(r"^\S*page/\S+\.yml:\d+: page : .* on page-host: ", re.MULTILINE)
"""File and line, role, task and host."""


class Fault(NamedTuple):
    """Something wrong with a host."""

    broken: str
    """Shell that makes it so."""
    said: tuple[str, ...]
    """What the message must hold."""
    repair: str = "true"
    """Shell that repairs it."""
    arguments: Mapping[str, Any] = {}
    """Of the role."""


FAULTS = {
    "a read-only path": Fault(
        "mkdir -p /srv/page && mount --bind /srv/page /srv/page && mount -o remount,bind,ro /srv/page",
        ("Write the page", "Destination /srv/page not writable"),
        "umount /srv/page",
    ),
    "a full disk": Fault(
        FULL_DISK.format("size=64k") + "; head -c 64k /dev/zero > /srv/page/filler",
        ("Write the page", "No space left on device"),
        "umount /srv/page",
    ),
    "a disk without free inodes": Fault(
        FULL_DISK.format("size=1m,nr_inodes=2") + "; touch /srv/page/last",
        ("Write the page", "No space left on device"),
        "umount /srv/page",
    ),
    "a taken port": Fault(
        SQUATTER.format(8080, 8080),
        ("port 8080 on page-host is taken", "python3", "stop that program or set page_port"),
        "systemctl stop squatter",
    ),
    "a closed port": Fault(
        "true",
        ("127.0.0.1:9999 does not answer page-host", "open its port"),
        arguments={"page_upstream": {"host": "127.0.0.1", "port": 9999}},
    ),
    "a name that nobody knows": Fault(
        "true",
        ("nowhere.invalid:80 does not answer page-host", "start it"),
        arguments={"page_upstream": {"host": "nowhere.invalid", "port": 80}},
    ),
    "a bad argument": Fault("true", ("page_port", "eighty", "int"), arguments={"page_port": "eighty"}),
    "a file in a folder's place": Fault(
        "rm -rf /srv/page; touch /srv/page",
        ("/srv/page on page-host is no folder", "move it away or set page_dir"),
        "rm /srv/page",
    ),
    "a user that is not there": Fault(
        "true", ("Make the folder", "failed to look up user nobody-there"), arguments={"page_owner": "nobody-there"}
    ),
    "a program that is not there": Fault(
        "true", ("Start the service", "page.service", "journalctl"), arguments={"page_program": "/opt/none"}
    ),
    "a unit that crashes again and again": Fault(
        "true",
        ("page.service on page-host does not listen on port 8080", "journalctl -u page"),
        "systemctl stop page",
        # Of a program that ends at once, systemd now and then reports the start itself as failed.
        arguments={"page_program": "/usr/bin/timeout 1 /bin/sleep 9"},
    ),
    "no Python": Fault(
        "mkdir /opt/away && mv /usr/bin/python3* /opt/away",
        ("/usr/bin/python3", "not found"),
        "mv /opt/away/* /usr/bin/",
    ),
    "sudoers that nobody can read": Fault(
        "echo 'ALL of them, please' > /etc/sudoers",
        ("sudo", "/etc/sudoers"),
        "printf 'root ALL=(ALL:ALL) ALL\\n' > /etc/sudoers",
        arguments={"ansible_become": True},
    ),
    "a package manager that another process holds": Fault(
        LOCKED_APT,
        ("Install the package", "lock"),
        "systemctl stop locker",
        arguments={"page_package": "/opt/slow.deb"},
    ),
    "a package that is not there": Fault(
        "true", ("Install the package", "/opt/none.deb"), arguments={"page_package": "/opt/none.deb"}
    ),
    "a package file of which half is there": Fault(
        DEB.format("truncate -s 100 /opt/slow.deb"),
        ("Install the package", "Error reading archive"),
        arguments={"page_package": "/opt/slow.deb"},
    ),
}


@pytest.fixture(scope="module")
def shared(engine: DockerEngine, player: Player) -> Iterator[HostSet]:
    """A host that each fault is made on and repaired again."""
    with leaving_nothing(engine):
        sets = HostSets(load_scenario(PAGE), "bookworm", engine, player)
        yield sets.fresh()
        sets.close()


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_the_role_says_what_is_wrong_with_the_host(shared: HostSet, fault: Fault):
    shell(only_host(shared), fault.broken)
    played = shared.converge(extra_vars=fault.arguments)
    shell(only_host(shared), fault.repair)
    assert not played.is_ok
    assert TASK.search(relative(played.why, shared.scenario)), played.why
    assert [part for part in fault.said if part not in played.why] == [], played.why
    assert "Traceback" not in played.why


def test_the_host_converges_when_all_of_that_is_repaired(shared: HostSet):
    assert shared.converge().why == ""


def shell(host: Host, script: str) -> None:
    host.run("sh", "-c", script)


HEALED = {
    "a killed apt": (KILLED_APT, {"page_package": "/opt/slow.deb"}),
    "a half-written page": ("printf Goo > /srv/page/index.html", {}),
    "half-written settings": ("printf PO > /etc/page.env; systemctl restart page", {}),
    "a half-written unit": ("printf '[Unit]\\nDescr' > /etc/systemd/system/page.service; systemctl daemon-reload", {}),
    "a masked unit": ("rm /etc/systemd/system/page.service; systemctl mask --now page.service", {}),
    "a killed service that does not restart itself": (
        "systemctl kill -s KILL page; systemctl stop page; systemctl disable page",
        {},
    ),
    "a lost folder": ("rm -r /srv/page", {}),
    "lost rights": ("chmod 000 /srv/page /etc/page.env; chown 1000 /srv/page/index.html", {}),
}


class Good(NamedTuple):
    """A converged host, which every run heals."""

    hosts: HostSet
    state: HostState
    results: tuple[str, ...]
    """The tasks of the converge that were not skipped, in order."""


@pytest.fixture(scope="module")
def good(engine: DockerEngine, player: Player) -> Iterator[Good]:
    """Shared: each test leaves it as it was."""
    with leaving_nothing(engine):
        sets = HostSets(load_scenario(PAGE), "bookworm", engine, player)
        hosts = sets.fresh()
        played = hosts.converge()
        assert played.why == ""
        results = tuple(line.task for line in played.lines if line.status != "skipped")
        yield Good(hosts, hosts.states()["page-host"], results)
        sets.close()


@pytest.mark.parametrize(("broken", "arguments"), HEALED.values(), ids=HEALED)
def test_the_next_run_heals_the_host(good: Good, broken: str, arguments: Mapping[str, Any]):
    host = only_host(good.hosts)
    shell(host, broken)
    assert good.hosts.converge(extra_vars=arguments).why == ""
    varying = ["/opt", "/opt/*", "/var/lib/dpkg*"]
    assert differences(good.state, good.hosts.states()["page-host"], varying=varying) == []
    assert "Good morning" in host.run("python3", "-c", ASK).stdout


def test_a_restart_that_a_killed_run_lost_is_made_by_the_next(good: Good):
    moved = {"page_port": 8081}
    killed = good.hosts.converge(extra_vars=moved, stop_after=good.results.index("Write the settings") + 1)
    assert killed.lines[-1].task == "Write the settings"
    assert killed.why == "the play was ended by signal 9"
    # The role itself waits for the new port.
    assert good.hosts.converge(extra_vars=moved).why == ""
    assert good.hosts.converge().why == ""


def test_a_file_from_the_future_is_named_by_the_task_that_it_keeps_busy(good: Good):
    shell(only_host(good.hosts), "touch -d '+2 days' /etc/page.env")
    played = good.hosts.converge()
    assert played.is_ok
    assert [line.task for line in played.changed] == [
        "Find configuration that the running service has not read",
        "Restart page",
    ]
    shell(only_host(good.hosts), "touch /etc/page.env; systemctl restart page")
    assert good.hosts.converge().changed == ()
