"""Plays find a role by the names that its own scenario uses."""

from pathlib import Path

from evolve.infra.verification.role_links import make_links
from evolve.infra.verification.scenario import load_scenario


def role(folder: Path, author: str = "", called: str = "") -> Path:
    for name, text in (("tasks/main.yml", "[]"), ("meta/main.yml", f"galaxy_info: {{author: {author or 'A B'}}}")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    if called:
        (folder / "molecule" / "default").mkdir(parents=True)
        (folder / "molecule" / "default" / "converge.yml").write_text(f"- {{hosts: all, roles: [{called}]}}\n")
    return folder


def links(scenario_of: Path, folder: Path) -> dict[str, Path]:
    make_links(load_scenario(scenario_of), folder)
    return {path.name: path.resolve() for path in (folder / "roles").iterdir()}


def test_a_clone_is_found_as_galaxy_calls_it_and_so_are_its_neighbours(tmp_path: Path) -> None:
    ntp, java = role(tmp_path / "ansible-role-ntp", "me"), role(tmp_path / "ansible-role-java", "me")
    found = links(ntp, tmp_path / "scratch")
    assert found == {"ansible-role-ntp": ntp, "ntp": ntp, "me.ntp": ntp, "java": java, "me.java": java}


def test_a_scenario_may_use_a_namespace_that_the_meta_file_does_not_name(tmp_path: Path) -> None:
    ntp = role(tmp_path / "ansible-role-ntp", called="geerlingguy.ntp")
    assert links(ntp, tmp_path / "scratch")["geerlingguy.ntp"] == ntp


def test_a_collection_is_put_below_the_folder_that_ansible_expects(tmp_path: Path) -> None:
    one = role(tmp_path / "checkout" / "roles" / "ssh")
    (tmp_path / "checkout" / "galaxy.yml").write_text("{namespace: dev, name: hard}")
    found = make_links(load_scenario(one), tmp_path / "scratch")
    assert (found.collections_path[0] / "ansible_collections" / "dev" / "hard").resolve() == tmp_path / "checkout"
