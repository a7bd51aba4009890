"""Which messages are about a limit of the hosts, and which are the role's."""

import json
from typing import NamedTuple

import pytest

from evolve.infra.hosts.host_limits import HostLimits, find_limits

LACKS = frozenset(("SYS_TIME", "NET_ADMIN", "LINUX_IMMUTABLE"))


class Output(NamedTuple):
    stdout: str


class Recorded:
    """A host that answers what one answered."""

    def __init__(self, **answer: object) -> None:
        self._answer = {"skipped": {}, "failed": {}, "capabilities": 0, **answer}

    def run(self, *argv: str, input: str | None = None) -> Output:  # noqa: A002 - the port's word
        assert argv[0] == "python3"
        assert input
        return Output(json.dumps(self._answer))


@pytest.mark.parametrize(
    ("message", "part"),
    [
        ("iptables v1.8.9: can't initialize: Permission denied (you must be root)", "CAP_NET_ADMIN"),
        ("chattr: Operation not permitted while setting flags on /etc/x", "CAP_LINUX_IMMUTABLE"),
        ("adjtimex failed: Operation not permitted", "--infra-capability SYS_TIME"),
        ("sysctl: permission denied on key vm.swappiness", "kernel settings"),
        ("sysctl: cannot stat /proc/sys/net/netfilter/x: No such file", "net/netfilter/x"),
        ("modprobe: FATAL: Module overlay not found in directory /lib/modules/6", "kernel module overlay"),
        ("unshare: unshare failed: Operation not permitted", "user namespaces"),
        ("Could not replace /etc/hosts: [Errno 16] Device or resource busy", "mounts /etc/hosts"),
    ],
)
def test_what_a_container_cannot_do_is_a_limit_with_its_remedy(message: str, part: str) -> None:
    found = HostLimits({}, LACKS).explains(message)
    assert found is not None
    assert part in str(found)
    assert found.remedy


@pytest.mark.parametrize(
    "message",
    [
        "cp: cannot create regular file '/etc/x': Permission denied",
        "chown: changing ownership of '/srv/x': Operation not permitted",
        "iptables: Bad rule (does a matching rule exist in that chain?)",
        "Could not find the requested service chrony",
    ],
)
def test_what_fails_on_a_machine_too_is_the_roles(message: str) -> None:
    assert HostLimits({}, LACKS).explains(message) is None


def test_a_capability_that_the_host_has_is_no_excuse() -> None:
    assert HostLimits({}, frozenset()).explains("adjtimex failed: Operation not permitted") is None


@pytest.mark.parametrize(
    ("conditions", "is_limit"),
    [
        (["ConditionCapability=CAP_SYS_TIME"], True),
        (["ConditionVirtualization=!container"], True),
        (["ConditionPathExists=/dev/tty0"], True),
        (["ConditionPathExists=/etc/ntpsec/ntp.conf"], False),
        ([], False),
    ],
)
def test_a_skipped_unit_is_a_limit_when_its_condition_is_about_the_host(conditions: list[str], is_limit: bool) -> None:
    limits = find_limits(Recorded(skipped={"chrony.service": conditions}))
    assert (limits.explains("roles/ntp/tasks/main.yml:3: Start it on one: service chrony") is not None) == is_limit
    assert limits.explains("roles/ntp/tasks/main.yml:3: chrony-wait is no such unit") is None


@pytest.mark.parametrize(
    ("code", "log", "is_limit"),
    [
        (217, "Failed to set up user namespacing: No such file or directory", True),
        (217, "Failed to determine user credentials: No such process", False),
        (226, "Failed to set up mount namespacing: /x: Permission denied", True),
        (226, "Failed to set up mount namespacing: /srv/data: No such file or directory", False),
        (1, "Operation not permitted", False),
    ],
)
def test_a_failed_unit_is_a_limit_when_systemd_may_not_set_it_up(code: int, log: str, is_limit: bool) -> None:
    limits = find_limits(Recorded(failed={"redis-server.service": [code, log]}))
    found = limits.explains("Unable to restart service redis-server: Job for redis-server.service failed")
    assert (found is not None) == is_limit
    assert limits.explains("Could not find the requested service redis-server: host") is None


def test_capabilities_are_read_from_their_bits() -> None:
    assert "SYS_TIME" not in find_limits(Recorded(capabilities=1 << 25)).lacks
    assert "SYS_TIME" in find_limits(Recorded()).lacks
