"""The state of a real host, as the checks compare it."""

import time

import pytest

from evolve.infra.hosts.host_differences import changes
from evolve.infra.hosts.host_state import take
from evolve.infra.hosts.labs import Lab


def test_what_changes_between_two_moments_is_seen_and_nothing_else(hosts: Lab) -> None:
    host = hosts.start("one")
    host.write("/etc/kept", "kept\n")
    host.write("/etc/gone", "gone\n")
    before = take(host, 0)
    assert changes(before, take(host, 0)) == []
    host.write("/etc/kept", "changed\n")
    host.write("/etc/new", "new\n")
    host.run("rm", "/etc/gone")
    host.run("systemctl", "restart", "dbus.service")
    assert set(changes(before, take(host, 0))) >= {
        "/etc/kept: its content changed",
        "/etc/new was written or touched",
        "/etc/gone was removed",
        "unit dbus.service was started again",
    }


def test_files_of_any_number_and_age_can_be_asked_for(hosts: Lab) -> None:
    host = hosts.start("one")
    everything = take(host, 0)
    assert len(everything.files) > 5_000
    later = float(host.run("date", "+%s.%N").stdout) + 1
    assert not [path for path in take(host, later).files if path == "/etc/passwd"]
    assert "/etc/passwd" in take(host, later, also=everything.files).files


@pytest.mark.parametrize("release", ["bookworm", pytest.param("bullseye", marks=pytest.mark.nightly)])
def test_when_a_unit_started_is_known_to_less_than_a_second(hosts: Lab, release: str) -> None:
    host = hosts.start("one", release=release)
    began = time.time()
    host.run("systemctl", "restart", "dbus.service")
    ended = time.time()
    host.write("/etc/later", "later\n")
    state = take(host, 0)
    # The kernel's clock of files ticks in steps of some milliseconds.
    assert began - 0.01 <= state.units["dbus.service"].active_since <= ended + 0.01
    assert state.units["dbus.service"].active_since < state.files["/etc/later"].changed_at + 0.01
