"""What the checks leave on a host: nothing. That they find what they look for is proven by the scenario's faults."""

import os

import pytest
from testinfra.host import Host
from testinfra.utils.ansible_runner import AnsibleRunner

HOSTS = AnsibleRunner(os.environ["MOLECULE_INVENTORY_FILE"]).get_hosts("all")


@pytest.mark.parametrize("folder", ["/etc", "/opt", "/tmp", "/var/lib", "/var/log"])
def test_no_file_is_left_behind(host: Host, folder: str) -> None:
    assert host.check_output("find %s -maxdepth 1 -name '.preflight.*'", folder) == ""


def test_nothing_is_left_running(host: Host) -> None:
    assert not [process for process in host.process.filter() if "/dev/tcp/" in process.args]


def test_the_service_that_holds_its_port_still_answers(host: Host) -> None:
    reached = host.run(f"timeout 5 bash -c ': </dev/tcp/{HOSTS[-1]}/8099'")
    assert reached.rc == 0, reached.stderr
