"""Private variables of roles: a handler that no converge of a fresh host runs may use one that nothing defines."""

import re
from pathlib import Path

import pytest

ROLES = Path(__file__).parents[2] / "roles"
DEFINED = r"(?m)^\s*(?:- )?{name}:|(?:register|loop_var|index_var): {name}$|set {name} ="
SUFFIXES = {".yml", ".yaml", ".j2", ".sh", ".py"}


def texts(role: str) -> str:
    parts = ("defaults", "handlers", "meta", "tasks", "templates", "vars")
    files = [file for part in parts for file in sorted((ROLES / role / part).rglob("*")) if file.suffix in SUFFIXES]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


@pytest.mark.parametrize("role", sorted(one.name for one in ROLES.iterdir() if (one / "tasks").is_dir()))
def test_each_private_variable_of_a_role_is_defined(role: str) -> None:
    own, shared = texts(role), texts("common")
    used = {word for word in re.findall(r"\b_[a-z][a-z0-9_]+", own) if word.startswith(f"_{role}_")}
    undefined = {name for name in used if not re.search(DEFINED.format(name=re.escape(name)), f"{own}\n{shared}")}
    assert undefined == set()
