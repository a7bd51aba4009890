"""What counts as a change of a host, as a difference between hosts, and as a lost restart."""

import stat
from dataclasses import replace

import pytest

from evolve.infra.hosts.host_differences import Stale, changes, differences, stale_units
from evolve.infra.hosts.host_state import FileState, HostState, UnitState

FILE = FileState(stat.S_IFREG, 0o644, 0, 0, "hash-a shape-a", 100.0)
DATA = FILE._replace(uid=105, gid=105, content="")
UNIT = UnitState("active", "enabled", "run-1", "simple", 50.0)


def host(files: dict[str, FileState] | None = None, units: dict[str, UnitState] | None = None) -> HostState:
    return HostState(files or {}, units or {})


@pytest.mark.parametrize(
    ("after", "what"),
    [
        (FILE._replace(mode=0o600), "/etc/a: mode 0644 became 0600"),
        (FILE._replace(uid=7), "/etc/a: owner 0:0 became 7:0"),
        (FILE._replace(content="hash-b shape-a"), "/etc/a: its content changed"),
        (FILE._replace(kind=stat.S_IFLNK), "/etc/a: became another kind of file"),
    ],
)
def test_each_kind_of_change_of_a_file_is_reported(after: FileState, what: str) -> None:
    assert changes(host({"/etc/a": FILE}), host({"/etc/a": after})) == [what]


def test_a_file_that_comes_or_goes_is_reported() -> None:
    assert changes(host(), host({"/etc/a": FILE})) == ["/etc/a was written or touched"]
    assert changes(host({"/etc/a": FILE}), host()) == ["/etc/a was removed"]


def test_the_time_alone_is_no_change() -> None:
    assert changes(host({"/etc/a": FILE}), host({"/etc/a": FILE._replace(changed_at=200.0)})) == []


def test_what_a_service_writes_into_its_own_data_is_no_change_but_its_mode_is() -> None:
    before = host({"/var/lib/x/db": DATA, "/var/lib/x/old": DATA})
    after = host({"/var/lib/x/db": DATA._replace(changed_at=2.0), "/var/lib/x/new": DATA})
    assert changes(before, after) == []
    assert changes(before, host({**before.files, "/var/lib/x/db": DATA._replace(mode=0o600)})) == [
        "/var/lib/x/db: mode 0644 became 0600"
    ]


def test_a_watched_file_of_a_service_counts_by_its_content() -> None:
    before = host({"/var/lib/x/db": DATA._replace(content="one one"), "/var/lib/x/old": DATA._replace(content="a a")})
    after = host({"/var/lib/x/db": DATA._replace(content="two two"), "/var/lib/x/new": DATA._replace(content="b b")})
    assert changes(before, after) == [
        "/var/lib/x/db: its content changed",
        "/var/lib/x/new was written or touched",
        "/var/lib/x/old was removed",
    ]


def test_a_transient_unit_is_a_change_because_its_command_runs_later() -> None:
    timer = UNIT._replace(enabled="transient")
    found = changes(host(), host(units={"run-r0123456789abcdef.timer": timer, "run-docker-x.mount": timer}))
    assert found == [
        "a transient unit was made by systemd-run: its command runs besides the play (run-r0123456789abcdef.timer)"
    ]


def test_keys_that_packages_make_differ_between_hosts_but_not_in_their_mode() -> None:
    path, key = "/etc/ssh/ssh_host_rsa_key", FILE._replace(content="one shape-1")
    other = host({path: key._replace(content="two shape-2")})
    assert differences(host({path: key}), other) == []
    assert differences(host({path: key}), host({path: key._replace(mode=0o666)}))
    backup = {"/etc/x.640.2026-11-30@06:52:50~": FILE}
    assert differences(host(), host(backup)) == []
    assert differences(host({"/etc/x": key}), host({"/etc/x": key._replace(content="two shape-2")}))


@pytest.mark.parametrize(
    ("after", "what"),
    [
        (UNIT._replace(invocation="run-2"), "unit x.service was started again"),
        (UNIT._replace(active="failed"), "unit x.service was active and is failed"),
        (UNIT._replace(enabled="disabled"), "unit x.service was enabled and is disabled"),
    ],
)
def test_each_kind_of_change_of_a_unit_is_reported(after: UnitState, what: str) -> None:
    assert changes(host(units={"x.service": UNIT}), host(units={"x.service": after})) == [what]


def test_hosts_that_differ_in_numbers_and_random_words_are_alike() -> None:
    other = FILE._replace(content="hash-b shape-a")
    assert differences(host({"/etc/a": FILE}), host({"/etc/a": other})) == []


@pytest.mark.parametrize(
    ("found", "what"),
    [
        ({}, "/etc/a: is missing"),
        ({"/etc/a": FILE._replace(mode=0o600)}, "/etc/a: has mode 0600, not 0644"),
        ({"/etc/a": FILE._replace(content="hash-b shape-b")}, "/etc/a: has different content"),
        ({"/etc/a": FILE, "/etc/b": FILE}, "/etc/b: exists only after the interruption"),
    ],
)
def test_each_difference_of_hosts_is_reported(found: dict[str, FileState], what: str) -> None:
    assert differences(host({"/etc/a": FILE}), host(found)) == [what]


def test_files_that_may_vary_are_not_compared() -> None:
    assert differences(host({"/etc/keys/a.pem": FILE}), host(), varying=["/etc/keys/*.pem"]) == []


def test_a_unit_that_is_down_on_the_other_host_is_reported() -> None:
    down = replace(host(), units={"x.service": UNIT._replace(active="inactive")})
    assert differences(host(units={"x.service": UNIT}), down) == ["unit x.service is inactive, not active"]


def test_a_unit_that_never_read_a_file_lost_its_restart() -> None:
    good = host({"/etc/x.conf": FILE}, {"x.service": UNIT._replace(active_since=101.0)})
    lost = host({"/etc/x.conf": FILE}, {"x.service": UNIT._replace(active_since=99.0)})
    assert stale_units(good, lost, ["/etc/x.conf"]) == [Stale("x.service", "/etc/x.conf")]
    assert stale_units(good, good, ["/etc/x.conf"]) == []


def test_a_unit_that_no_file_restarts_is_not_stale() -> None:
    before = host({"/etc/x.conf": FILE}, {"x.service": UNIT._replace(active_since=99.0)})
    assert stale_units(before, before, ["/etc/x.conf"]) == []
    assert stale_units(before, before, []) == []


def test_what_changes_by_itself_is_no_change_of_the_role() -> None:
    after = host({"/var/lib/agent/state": FILE, "/etc/a": FILE})
    assert changes(host(), after, varying=["/var/lib/agent/*"]) == ["/etc/a was written or touched"]


def test_a_folder_that_is_missing_is_reported_without_what_lies_in_it() -> None:
    folder = FILE._replace(kind=stat.S_IFDIR, content="")
    expected = host({"/srv": folder, "/srv/a": folder, "/srv/a/b": FILE})
    assert differences(expected, host({"/srv": folder})) == ["/srv/a: is missing"]


def test_a_unit_that_was_down_or_unknown_and_runs_was_started() -> None:
    down = UNIT._replace(active="inactive")
    assert changes(host(units={"x.service": down}), host(units={"x.service": UNIT})) == ["unit x.service was started"]
    assert changes(host(), host(units={"x.timer": UNIT})) == ["unit x.timer was started"]


def test_a_unit_that_was_just_starting_was_not_started_by_anybody() -> None:
    starting = UNIT._replace(active="activating")
    assert changes(host(units={"x.service": starting}), host(units={"x.service": UNIT})) == []


@pytest.mark.parametrize("enabled", ["static", "disabled", ""])
def test_a_unit_that_a_bus_starts_on_demand_comes_and_goes(enabled: str) -> None:
    up = UNIT._replace(type="dbus", is_on_demand=True, enabled=enabled)
    down = up._replace(active="inactive")
    for before, after in ((up, down), (down, up)):
        assert changes(host(units={"x.service": before}), host(units={"x.service": after})) == []
    assert differences(host(units={"x.service": up}), host(units={"x.service": down})) == []


def test_a_unit_on_demand_that_is_enabled_too_is_expected_up() -> None:
    up = UNIT._replace(is_on_demand=True)
    down = host(units={"x.service": up._replace(active="inactive")})
    assert differences(host(units={"x.service": up}), down) == ["unit x.service is inactive, not active"]


@pytest.mark.parametrize("name", ["x@y.service", "backup.timer", "x.socket"])
def test_instances_and_timers_are_expected_up(name: str) -> None:
    down = host(units={name: UNIT._replace(active="inactive")})
    assert differences(host(units={name: UNIT}), down) == [f"unit {name} is inactive, not active"]


@pytest.mark.parametrize("name", ["user@0.service", "run-u12.service", "systemd-hostnamed.service", "srv.mount"])
def test_what_comes_and_goes_by_itself_is_not_expected_up(name: str) -> None:
    assert differences(host(units={name: UNIT}), host(units={name: UNIT._replace(active="inactive")})) == []


def test_a_lost_change_of_owner_is_reported_and_the_numbers_of_users_are_not() -> None:
    given = FILE._replace(uid=998, gid=998)
    assert differences(host({"/srv/a": given}), host({"/srv/a": FILE})) == ["/srv/a: belongs to 0:0, not 998:998"]
    assert differences(host({"/srv/a": FILE._replace(gid=7)}), host({"/srv/a": FILE})) == [
        "/srv/a: belongs to 0:0, not 0:7"
    ]
    assert differences(host({"/srv/a": given}), host({"/srv/a": given._replace(uid=101, gid=102)})) == []


@pytest.mark.parametrize(("size", "is_alike"), [(100, True), (95, True), (50, False), (0, False)])
def test_a_binary_file_that_was_written_by_half_is_another(size: int, is_alike: bool) -> None:
    whole, other = (FILE._replace(content=f"{name} binary:{length}") for name, length in (("a", 100), ("b", size)))
    found = differences(host({"/opt/x": whole}), host({"/opt/x": other}))
    assert found == ([] if is_alike else ["/opt/x: has different content"])
