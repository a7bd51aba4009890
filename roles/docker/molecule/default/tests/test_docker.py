"""What people and programs find on a host: an engine with our settings, and containers where the host allows them."""

import json
from collections.abc import Iterator

import pytest
from testinfra.host import Host

IMAGE = "anneal-test/echo:1"
"""Made from the host's own `echo`: no registry is asked."""


@pytest.fixture
def image(host: Host) -> Iterator[str]:
    parts = "$(command -v echo) $(ldd $(command -v echo) | grep -o '/[^ ]*')"
    host.check_output(f"tar --create --dereference --absolute-names {parts} | docker import - {IMAGE}")
    yield IMAGE
    host.check_output(f"docker image rm --force {IMAGE}")


def info(host: Host) -> dict[str, object]:
    answer = json.loads(host.check_output("docker info --format '{{json .}}'"))
    assert isinstance(answer, dict)
    return answer


def what_nesting_lacks(host: Host) -> str:
    """What a container needs and this host refuses, asked of the kernel and not of the engine; empty when nothing."""
    keyring = "import ctypes, platform as p; n = {'x86_64': 250, 'aarch64': 219}[p.machine()]"
    needs = {
        "namespaces": "unshare --mount --pid --net --ipc --uts --fork --mount-proc true",
        "a session keyring": f'python3 -c "{keyring}; raise SystemExit(ctypes.CDLL(None).syscall(n, 1, None) < 0)"',
    }
    return ", ".join(need for need, command in needs.items() if host.run(command).rc != 0)


def test_the_engine_has_read_its_configuration(host: Host) -> None:
    engine = info(host)
    assert engine["DockerRootDir"] == "/var/lib/docker"
    assert engine["LoggingDriver"] == "json-file"
    assert engine["LiveRestoreEnabled"] is True
    assert engine["Driver"] == "vfs"


def test_an_image_becomes_a_container_with_the_files_given_to_it(host: Host, image: str) -> None:
    container = host.check_output(f"docker create {image} /bin/echo")
    try:
        host.check_output(f"docker cp /etc/debian_version {container}:/given")
        given = host.check_output(f"docker cp {container}:/given - | tar --extract --to-stdout")
        assert given == host.check_output("cat /etc/debian_version")
    finally:
        host.check_output(f"docker rm --volumes {container}")


def test_logs_of_a_container_are_bounded(host: Host, image: str) -> None:
    container = host.check_output(f"docker create {image} /bin/echo")
    try:
        logs = json.loads(
            host.check_output(f"docker inspect --format '{{{{json .HostConfig.LogConfig}}}}' {container}")
        )
        assert logs == {"Type": "json-file", "Config": {"max-file": "3", "max-size": "10m"}}
    finally:
        host.check_output(f"docker rm --volumes {container}")


def test_a_container_runs(host: Host, image: str) -> None:
    if lacking := what_nesting_lacks(host):
        pytest.skip(f"needs a host that allows nesting; this one refuses {lacking}")
    assert host.check_output(f"docker run --rm --network none {image} /bin/echo it runs") == "it runs"


def test_a_named_account_may_use_the_engine_and_others_may_not(host: Host) -> None:
    assert host.run("su --login docker-user --command 'docker version'").rc == 0
    refused = host.run("su --login stranger --command 'docker version'")
    assert refused.rc != 0
    assert "permission denied" in refused.stderr.lower()


def test_an_engine_that_was_killed_comes_back(host: Host) -> None:
    before = host.check_output("systemctl show --value --property MainPID docker.service")
    host.check_output("kill -KILL %s", before)
    started_anew = f"test $(systemctl show --value --property MainPID docker.service) != {before} && docker version"
    again = host.run(f"timeout 60 sh -c 'until {started_anew}; do sleep 0.2; done'")
    assert again.rc == 0, host.run("journalctl --unit docker.service --lines 30 --no-pager").stdout


def test_a_broken_configuration_would_be_refused(host: Host) -> None:
    """As the role does before it replaces the file: the same engine reads a file with a wrong name in it."""
    host.check_output("printf '%s' '{\"iptable\": true}' > /tmp/daemon.json; chmod 644 /tmp/daemon.json")
    refused = host.run("setpriv --reuid=nobody --regid=nogroup --clear-groups dockerd --config-file /tmp/daemon.json")
    host.check_output("rm /tmp/daemon.json")
    assert "iptable" in refused.stderr
