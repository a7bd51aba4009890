"""Hosts on the real engine: what a lab gives, what its end removes, and what a sweep leaves alone."""

import dataclasses
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from evolve.core.model.errors import EnvironmentFault, InputError
from evolve.infra.engine.docker_engine import DockerEngine, docker_faults
from evolve.infra.engine.owner import LABEL_LAB, LABEL_OWNER
from evolve.infra.engine.removal import label_values, remove_labelled
from evolve.infra.hosts.labs import Host, Lab, sweep
from evolve.infra.image import base_image
from evolve.system.process_owner import Owner
from fixtures.hosts import label_of

GONE_WITHIN_S = 60

OWNER_PROCESS = """
import sys, time
from evolve.infra.engine import docker_engine
from evolve.infra.hosts.labs import Lab
lab = Lab(docker_engine.connect(sys.argv[1]), label="victim")
host = lab.start("a", network=lab.network("net"), volumes=["data:/data"])
lab.save(host)
print(lab.key, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def shared(engine: DockerEngine) -> Iterator[Lab]:
    with Lab(engine, label="shared") as lab:
        yield lab


@pytest.fixture(scope="module")
def host(shared: Lab) -> Host:
    return shared.start("alpha", network=shared.network("net"), tmpfs=["/small:size=1m"], memory="512m")


def everything_of(engine: DockerEngine, lab: str) -> int:
    return label_values(engine.client, LABEL_LAB).count(lab)


@pytest.mark.parametrize("release", ["bookworm", "bullseye"])
def test_a_host_of_each_release_runs_systemd(hosts: Lab, release: str):
    started = hosts.start("node", release=release)
    assert started.run("systemctl", "is-system-running").stdout == "running\n"
    assert f"VERSION_CODENAME={release}" in started.read("/etc/os-release")
    assert started.run("hostname").stdout == "node\n"


def test_hosts_of_a_network_reach_each_other_by_name(shared: Lab, host: Host):
    other = shared.start("beta", network=shared.network("net"))
    assert other.address in host.run("ping", "-c", "1", "-W", "5", "beta").stdout
    assert host.address in other.run("ping", "-c", "1", "-W", "5", "alpha").stdout


def test_a_written_file_is_read_back_with_its_mode(host: Host):
    text = "größe\n" * 200_000
    host.write("/opt/new/folder/file", text, mode=0o640)
    assert host.read("/opt/new/folder/file") == text
    assert host.run("stat", "-c", "%a %U", "/opt/new/folder/file").stdout == "640 root\n"


def test_a_command_gets_its_input_and_its_end(host: Host):
    assert host.run("wc", "-c", input="").stdout == "0\n"
    assert host.run("tr", "a-z", "A-Z", input="words").stdout == "WORDS"
    assert host.run("true", input="x" * 1_000_000).rc == 0


def test_arguments_reach_a_command_as_they_are(host: Host):
    words = ["$HOME", "a b", "'", '"', "\\", "*", ";", "ä", ""]
    assert host.run("printf", "%s\\n", *words).stdout.split("\n")[:-1] == words


def test_a_failed_command_shows_where_it_ran_and_what_it_said(host: Host):
    with pytest.raises(EnvironmentFault, match=rf"(?s)ls /none on host alpha \({host.container}\): rc=2.*No such file"):
        host.run("ls", "/none")
    assert host.run("ls", "/none", check=False).rc == 2
    assert host.run("no-such-program", check=False).rc == 127


def test_a_command_that_does_not_end_is_ended_with_its_children(host: Host):
    with pytest.raises(EnvironmentFault, match="did not end within 1 s"):
        host.run("sh", "-c", "sleep 4321 & sleep 4321", timeout_s=1)
    assert host.run("pgrep", "-x", "sleep", check=False).rc == 1


def test_a_commands_own_124_is_no_timeout(host: Host):
    assert host.run("sh", "-c", "exit 124", check=False).rc == 124


def test_testinfra_sees_units_and_files_of_the_host(host: Host):
    assert host.testinfra.service("systemd-journald").is_running
    assert host.testinfra.file("/etc/machine-id").size == 33
    assert not host.testinfra.package("nginx").is_installed
    assert host.testinfra.run("exit 3").rc == 3


def test_limits_of_memory_and_of_a_mount_hold(host: Host):
    assert host.run("sh", "-c", "head -c 2M /dev/zero > /small/file", check=False).rc != 0
    assert "No space left" in host.run("sh", "-c", "head -c 2M /dev/zero > /small/file", check=False).stderr


def test_systemds_sandbox_works_on_a_host(host: Host):
    unit = ["systemd-run", "--wait", "--pipe", "-q", "-p", "ProtectSystem=strict", "-p", "PrivateTmp=yes"]
    done = host.run(*unit, "-p", "DynamicUser=yes", "sh", "-c", "touch /etc/x; id -u", check=False)
    assert "Read-only file system" in done.stderr
    # systemd's range of users that exist only while a unit runs.
    assert 61184 <= int(done.stdout) <= 65519


def test_apt_knows_todays_packages(host: Host):
    assert "Candidate: (none)" not in host.run("apt-cache", "policy", "nginx").stdout


def test_the_journal_of_one_unit_is_evidence(host: Host):
    host.run("systemd-run", "--wait", "--unit=speaker", "echo", "a word for the journal")
    assert "a word for the journal" in host.journal("speaker")
    assert len(host.journal(lines=5).splitlines()) <= 6


def test_a_restarted_host_keeps_its_disk_and_loses_its_memory(hosts: Lab):
    node = hosts.start("node")
    node.write("/opt/kept", "kept")
    node.write("/run/lost", "lost")
    boot = node.run("systemctl", "show", "--value", "-p", "InvocationID", "systemd-journald").stdout
    node.restart()
    assert node.read("/opt/kept") == "kept"
    assert node.run("test", "-e", "/run/lost", check=False).rc == 1
    assert node.run("systemctl", "show", "--value", "-p", "InvocationID", "systemd-journald").stdout != boot


def test_a_host_without_power_says_so_and_boots_again(hosts: Lab):
    node = hosts.start("node")
    node.kill()
    assert not node.is_up
    assert "host node is down" in node.journal()
    with pytest.raises(EnvironmentFault, match="run true on host node"):
        node.run("true")
    with pytest.raises(EnvironmentFault, match="has no address"):
        _ = node.address
    node.start_again()
    assert node.run("true").rc == 0


def test_a_saved_host_starts_prepared_as_a_machine_of_its_own(hosts: Lab):
    first = hosts.start("first")
    first.write("/opt/prepared", "yes")
    saved = hosts.save(first)
    copy = hosts.start("copy", image=saved)
    assert copy.read("/opt/prepared") == first.read("/opt/prepared") == "yes"
    assert copy.run("systemctl", "is-system-running").stdout == "running\n"
    assert copy.read("/etc/machine-id") != first.read("/etc/machine-id")


def test_a_host_that_cannot_boot_shows_its_console(engine: DockerEngine, hosts: Lab):
    broken = hosts.start("broken")
    broken.write("/sbin/no-init", "#!/bin/sh\necho the disk is on fire; exit 1\n", mode=0o755)
    # What the container's first process is: the next boot ends at once.
    broken.run("mv", "/sbin/no-init", "/lib/systemd/systemd")
    broken.kill()
    with pytest.raises(EnvironmentFault, match=r"(?s)ended while it booted.*the disk is on fire"):
        broken.start_again()


def test_a_wrong_name_is_refused_before_anything_is_made(engine: DockerEngine, hosts: Lab):
    with pytest.raises(InputError, match="invalid name of a host, network or lab: 'Not A Host'"):
        hosts.start("Not A Host")
    with pytest.raises(InputError, match="'no_label'"):
        Lab(engine, label="no_label")
    assert everything_of(engine, hosts.key) == 0


def test_an_unknown_image_or_network_is_a_fault_that_names_it(engine: DockerEngine, hosts: Lab):
    with pytest.raises(EnvironmentFault, match="start host node from none:such"):
        hosts.start("node", image="none:such")
    with pytest.raises(EnvironmentFault, match="nonet"):
        hosts.start("node", network="nonet")
    hosts.close()
    assert everything_of(engine, hosts.key) == 0


def test_a_closed_lab_leaves_nothing(engine: DockerEngine):
    with Lab(engine, label="brief") as lab:
        node = lab.start("node", network=lab.network("net"), volumes=["data:/data"])
        lab.save(node)
        # Container, network, volume and image.
        assert everything_of(engine, lab.key) == 4
    assert everything_of(engine, lab.key) == 0
    lab.close()


def test_a_lab_is_closed_when_its_test_fails(engine: DockerEngine):
    lab = Lab(engine, label="brief")
    with pytest.raises(ZeroDivisionError):
        _fail_in(lab)
    assert everything_of(engine, lab.key) == 0


def _fail_in(lab: Lab) -> None:
    with lab:
        lab.network("net")
        raise ZeroDivisionError


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_of_a_process_that_was_killed(engine: DockerEngine, number: signal.Signals):
    with owner_process(engine) as victim:
        assert victim.stdout is not None
        lab = victim.stdout.readline().strip()
        assert everything_of(engine, lab) == 4
        victim.send_signal(number)
        victim.wait(GONE_WITHIN_S)
        wait_until_gone(engine, lab)


def owner_process(engine: DockerEngine) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", OWNER_PROCESS, engine.url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def wait_until_gone(engine: DockerEngine, lab: str) -> None:
    deadline = time.monotonic() + GONE_WITHIN_S
    while everything_of(engine, lab):
        assert time.monotonic() < deadline, f"{everything_of(engine, lab)} things of {lab} are left"
        time.sleep(0.2)


@pytest.fixture
def planted(engine: DockerEngine, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a network that carries the label of the owner that the test gives."""
    owner = request.param(Owner.current())
    name = f"anneal-{label_of(request.node.name)}"
    labels = {LABEL_OWNER: str(owner), LABEL_LAB: "planted"} if owner else {}
    with docker_faults("plant a network"):
        network = engine.client.networks.create(name, labels=labels)
    yield name
    if engine.client.networks.list(names=[name]):
        network.remove()


def is_there(engine: DockerEngine, network: str) -> bool:
    return bool(engine.client.networks.list(names=[network]))


@pytest.mark.parametrize("planted", [lambda me: dataclasses.replace(me, start="1")], indirect=True, ids=["dead"])
def test_a_sweep_removes_what_a_dead_owner_left(engine: DockerEngine, planted: str):
    assert sweep(engine).removed >= 1
    assert not is_there(engine, planted)


@pytest.mark.parametrize(
    "planted",
    [
        lambda me: me,
        lambda me: dataclasses.replace(me, boot="another"),
        lambda me: dataclasses.replace(me, namespace="another"),
        lambda _: "words that are no owner",
        lambda _: None,
    ],
    indirect=True,
    ids=["living", "boot", "namespace", "unreadable", "stranger"],
)
def test_a_sweep_leaves_what_is_or_may_be_in_use(engine: DockerEngine, planted: str):
    sweep(engine)
    assert is_there(engine, planted)


def test_removal_of_what_is_gone_already_is_no_problem(engine: DockerEngine):
    assert remove_labelled(engine.client, f"{LABEL_LAB}=never-was").found == 0


def test_the_image_is_found_at_once_when_it_is_there(engine: DockerEngine):
    said: list[str] = []
    first = base_image.ensure(engine, "bookworm")
    assert base_image.ensure(engine, "bookworm", say=said.append) == first
    assert said == []
    assert engine.client.images.get("anneal-host:bookworm").id == engine.client.images.get(first).id


def test_a_boot_that_hangs_is_reported_with_what_it_waits_for(hosts: Lab):
    slow = hosts.start("slow")
    unit = "[Service]\nType=oneshot\nExecStart=/bin/sleep 300\n[Install]\nWantedBy=multi-user.target\n"
    slow.write("/etc/systemd/system/hangs.service", unit)
    slow.run("systemctl", "enable", "hangs")
    slow.kill()
    slow._container.start()
    with pytest.raises(EnvironmentFault, match=r"(?s)did not boot within 4 s; systemd says: starting.*hangs\.service"):
        slow.wait_until_up(4)
