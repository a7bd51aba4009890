"""Where roles are found in a repository as it was cloned, and by which names."""

from pathlib import Path

import pytest

from evolve.system.role_layout import (
    collection_of,
    configured_roles_path,
    find_config,
    find_roles,
    needed_roles,
    read_requirements,
    role_names,
)


def role(folder: Path, meta: str = "") -> Path:
    (folder / "tasks").mkdir(parents=True)
    (folder / "tasks" / "main.yml").write_text("[]\n")
    if meta:
        (folder / "meta").mkdir()
        (folder / "meta" / "main.yml").write_text(meta)
    return folder


@pytest.mark.parametrize(
    "places",
    [
        ["."],
        ["one", "two"],
        ["roles/one", "playbooks/roles/two"],
        ["ansible_collections/my/own/roles/one"],
        ["elsewhere/one"],
    ],
)
def test_roles_are_found_where_repositories_have_them(tmp_path: Path, places: list[str]) -> None:
    (tmp_path / "ansible.cfg").write_text("[defaults]\nroles_path = elsewhere:/etc/ansible/roles\n")
    roles = [role(tmp_path / place) for place in places]
    assert find_roles(tmp_path) == roles


def test_the_configured_folders_outside_of_the_repository_are_somebody_elses(tmp_path: Path) -> None:
    (tmp_path / "ansible.cfg").write_text("[defaults]\nroles_path = ./a : ../b : /c\n")
    assert configured_roles_path(tmp_path) == [tmp_path / "a"]
    (tmp_path / "ansible.cfg").write_text("roles_path = a\n")
    assert configured_roles_path(tmp_path) == []


@pytest.mark.parametrize(
    ("folder", "meta", "names"),
    [
        ("ansible-role-ntp", "galaxy_info: {role_name: ntp, author: geerlingguy}", ["ntp", "geerlingguy.ntp"]),
        ("ansible-sshd", "galaxy_info: {author: A Person, namespace: some}", ["sshd", "some.sshd"]),
        ("plain", "", []),
    ],
)
def test_a_clone_has_the_names_of_galaxy(tmp_path: Path, folder: str, meta: str, names: list[str]) -> None:
    assert role_names(role(tmp_path / folder, meta)) == [folder, *names]


@pytest.mark.parametrize("root", ["hardening", "ansible_collections/dev/hard"])
def test_a_role_of_a_collection_has_its_full_name(tmp_path: Path, root: str) -> None:
    one = role(tmp_path / root / "roles" / "ssh")
    if root == "hardening":
        (tmp_path / root / "galaxy.yml").write_text("{namespace: dev, name: hard}")
    found = collection_of(one)
    assert found is not None
    assert (found.root, role_names(one)) == (tmp_path / root, ["ssh", "dev.hard.ssh"])


def test_the_nearest_configuration_counts_and_none_outside_of_the_repository(tmp_path: Path) -> None:
    (tmp_path / "ansible.cfg").touch()
    (tmp_path / "repository" / ".git").mkdir(parents=True)
    one = role(tmp_path / "repository" / "roles" / "one")
    assert find_config(one) is None
    (tmp_path / "repository" / "ansible.cfg").touch()
    assert find_config(one) == tmp_path / "repository" / "ansible.cfg"


def test_requirements_are_read_in_both_forms_and_by_address(tmp_path: Path) -> None:
    path = tmp_path / "requirements.yml"
    path.write_text("- src: https://example.com/me/ansible-role-x.git\n- geerlingguy.java\n")
    assert read_requirements(path).roles == ["ansible-role-x", "geerlingguy.java"]
    path.write_text("roles: [{name: a.b}]\ncollections: [c.d, {name: e.f, version: '1'}]\n")
    assert tuple(read_requirements(path)) == (["a.b"], ["c.d", "e.f"])
    path.write_text("[")
    assert tuple(read_requirements(path)) == ([], [])
    assert needed_roles(role(tmp_path / "r", "dependencies: [{role: g.h}, i.j]")) == ["g.h", "i.j"]
