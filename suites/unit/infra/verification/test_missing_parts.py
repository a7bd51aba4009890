"""What is missing on this machine is named with the command that installs it."""

from pathlib import Path

import pytest

from evolve.infra.verification.missing_parts import find_missing_part
from evolve.infra.verification.scenario import load_scenario


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        ("the role 'me.java' was not found in /x", ("role me.java, which requirements.yml names", "role install -p")),
        ("the role 'me.other' was not found in /x", ("the role me.other is not installed", "--infra-roles-path")),
        ("couldn't resolve module/action 'a.b.c'. This often", ("collection a.b", "collection install -p")),
        ("The filter plugin requires netaddr: No module named 'netaddr'", ("library netaddr", "pip install")),
        ("passlib must be installed to use this filter", ("library passlib", "pip install")),
        ("couldn't resolve module/action 'ansible.builtin.cpy'", ()),
        ("Could not find the requested service nginx", ()),
    ],
)
def test_a_missing_part_is_named_with_what_helps(tmp_path: Path, message: str, parts: tuple[str, ...]) -> None:
    (tmp_path / "requirements.yml").write_text("roles: [me.java]")
    found = find_missing_part(message, load_scenario(tmp_path))
    assert bool(found) == bool(parts)
    assert all(part in found for part in parts), found
