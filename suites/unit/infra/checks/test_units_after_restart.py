"""Which units must run again after a restart of the host."""

import pytest

from evolve.infra.checks.restart import is_wanted
from evolve.infra.hosts.host_state import UnitState


@pytest.mark.parametrize(
    ("wanted_by", "must_run"),
    [
        ((), True),
        (("multi-user.target",), True),
        (("app.service",), True),
        (("stopped.service",), False),
        (("network-pre.target",), False),
        (("network-pre.target", "multi-user.target"), True),
        (("time-sync.target", "stopped.service"), False),
        (("network.target",), True),
    ],
)
def test_a_unit_that_nothing_of_this_host_wants_need_not_run(wanted_by: tuple[str, ...], must_run: bool):
    unit = UnitState("active", "enabled", "1", "path", 0.0, wanted_by=wanted_by)
    assert is_wanted(unit, {"app.service", "network.target"}) is must_run
