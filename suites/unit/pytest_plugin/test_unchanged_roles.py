"""Of which variables a role's hash depends, besides its files."""

from pathlib import Path

import pytest

from evolve.pytest_plugin.roles.unchanged import find_mentioned


@pytest.fixture
def role(tmp_path: Path) -> Path:
    scenario = tmp_path / "demo" / "molecule" / "default"
    scenario.mkdir(parents=True)
    (scenario / "converge.yml").write_text(
        """{{ lookup('env', 'NOMAD_BINARY') }} {{ lookup("env", "http_proxy") }}\n"""
    )
    (scenario / "molecule.yml").write_text("name: a-${EVOLVE_INSTANCE:-x}-$EVOLVE_RELEASE-$MOLECULE_FILE-${PWD}\n")
    (scenario / "model.bin").write_bytes(b"\xff\xfe\x00")
    return tmp_path / "demo"


def test_a_variable_that_the_role_names_counts_with_its_value(role: Path) -> None:
    given = {"NOMAD_BINARY": "/opt/nomad", "http_proxy": "http://proxy", "OTHER": "x", "NOMAD_BINARY_2": "y"}
    assert find_mentioned(role, given) == {"NOMAD_BINARY": "/opt/nomad", "http_proxy": "http://proxy"}
    assert find_mentioned(role, {}) == {}


@pytest.mark.parametrize("name", ["EVOLVE_INSTANCE", "EVOLVE_RELEASE", "MOLECULE_FILE", "PWD"])
def test_what_changes_each_run_does_not_count(role: Path, name: str) -> None:
    assert find_mentioned(role, {name: "x"}) == {}
