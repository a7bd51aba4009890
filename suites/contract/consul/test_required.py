"""A machine without Consul skips the contract; CI, which names what must be there, fails instead."""

import pytest

from fixtures.real_consul import started_consul


@pytest.mark.parametrize(
    ("required", "outcome"),
    [("", pytest.skip.Exception), ("docker browser", pytest.skip.Exception), ("docker,consul", pytest.fail.Exception)],
)
def test_a_missing_program(tmp_path, monkeypatch, required, outcome):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("EVOLVE_REQUIRE", required)
    with pytest.raises(outcome, match=r"\./bootstrap\.sh consul"), started_consul(tmp_path):
        pass
