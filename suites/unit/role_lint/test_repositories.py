"""Roles and playbooks are found where Ansible and Molecule find them, in any layout of a repository."""

from pathlib import Path

import pytest

from evolve.core.model.errors import InputError
from evolve.role_lint import all_rules, lint_roles

RESTART = "- service: {name: app, state: restarted}\n"
PLAY = "- hosts: all\n  roles: [app]\n"


def lint(root: Path, files: dict[str, str]) -> tuple[list[str], int, int]:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    report = lint_roles([str(root)], tuple(all_rules().values()))
    return [item.rule for item in report.findings], report.roles, report.playbooks


@pytest.mark.parametrize(
    "role",
    [
        "roles/app",
        "roles/group/app",
        "app",
        "playbooks/roles/app",
        "deploy/site/roles/app",
        "ansible_collections/acme/tools/roles/app",
        "collections/ansible_collections/acme/tools/roles/app",
    ],
)
def test_a_role_below_a_repository_is_found(role: str, tmp_path: Path):
    files = {"site.yml": PLAY, f"{role}/tasks/main.yml": RESTART}
    assert lint(tmp_path, files) == (["restart-every-run"], 1, 1)


def test_the_roles_path_of_ansible_cfg_may_be_a_hidden_folder(tmp_path: Path):
    files = {
        "ansible.cfg": "[defaults]\nroles_path = .ours\n",
        "site.yml": PLAY,
        ".ours/app/tasks/main.yml": RESTART,
    }
    assert lint(tmp_path, files) == (["restart-every-run"], 1, 1)


def test_a_collection_has_roles_and_playbooks(tmp_path: Path):
    files = {
        "galaxy.yml": "namespace: acme\nname: tools\n",
        "meta/main.yml": "{}\n",
        "playbooks/site.yml": PLAY,
        "roles/app/tasks/main.yml": RESTART,
    }
    assert lint(tmp_path, files) == (["restart-every-run"], 1, 1)


def test_scenarios_and_test_targets_are_not_the_repository_s_roles(tmp_path: Path):
    files = {
        "roles/app/tasks/main.yml": "- debug: {msg: a}\n",
        "tests/integration/targets/setup/tasks/main.yml": RESTART,
        "molecule/default/roles/setup/tasks/main.yml": RESTART,
    }
    assert lint(tmp_path, files) == ([], 1, 0)


def test_projects_side_by_side_do_not_share_group_vars(tmp_path: Path):
    use = "- copy: {content: 'a=localhost:8123', dest: /etc/app.conf}\n"
    files = {
        "one/site.yml": PLAY,
        "one/group_vars/all.yml": "app_port: 8123\n",
        "two/site.yml": PLAY,
        "two/roles/app/tasks/main.yml": use,
    }
    assert lint(tmp_path, files) == ([], 1, 2)
    files = {"one/roles/app/tasks/main.yml": use}
    assert lint(tmp_path, files) == (["hard-coded-port"], 2, 2)


def test_a_link_to_a_folder_above_ends(tmp_path: Path):
    (tmp_path / "roles/app/tasks").mkdir(parents=True)
    (tmp_path / "roles/app/tasks/main.yml").write_text(RESTART)
    (tmp_path / "roles/again").symlink_to(tmp_path, target_is_directory=True)
    assert lint(tmp_path, {"site.yml": PLAY}) == (["restart-every-run"], 1, 1)


def test_a_role_cloned_under_its_repository_s_name_is_the_role_that_a_play_names(tmp_path: Path):
    files = {
        "ansible-role-ntp/meta/main.yml": "galaxy_info: {author: acme, role_name: ntp}\n",
        "ansible-role-ntp/tasks/main.yml": "- copy: {src: a, dest: /etc/a, mode: '0644'}\n  notify: Restart ntp\n",
        "ansible-role-ntp/files/a": "a",
        "ansible-role-ntp/handlers/main.yml": "- name: Restart ntp\n  service: {name: ntp, state: restarted}\n",
        "web/meta/main.yml": "dependencies: [acme.ntp]\n",
        "web/tasks/main.yml": "- copy: {content: a, dest: /etc/b, mode: '0644'}\n  notify: Restart nginx\n",
    }
    assert lint(tmp_path, files) == (["handler-unknown"], 2, 0)


def test_a_second_document_in_a_file_of_tasks_is_wrong_input(tmp_path: Path):
    with pytest.raises(InputError, match=r"main\.yml:4:1: a second YAML document begins here"):
        lint(tmp_path, {"roles/app/tasks/main.yml": "---\n- debug: {msg: a}\n---\n- debug: {msg: b}\n"})


def test_files_of_several_documents_next_to_playbooks_are_left_alone(tmp_path: Path):
    files = {"site.yml": PLAY, "manifests.yml": "a: 1\n---\nb: 2\n", "roles/app/tasks/main.yml": RESTART}
    assert lint(tmp_path, files) == (["restart-every-run"], 1, 1)


def test_argument_specs_in_meta_main_are_read(tmp_path: Path):
    specs = "argument_specs: {main: {options: {app_port: {type: int, default: 81}}}}\n"
    files = {
        "roles/app/meta/main.yml": specs,
        "roles/app/defaults/main.yml": "app_port: 80\n",
        "roles/app/tasks/main.yml": "- debug: {msg: '{{ app_port }}'}\n",
    }
    assert lint(tmp_path, files) == (["documented-default-differs"], 1, 0)


def test_a_template_of_another_program_need_not_be_yaml(tmp_path: Path):
    files = {
        "ansible/site.yml": "---\n# All hosts.\n\n" + PLAY,
        "ansible/roles/app/tasks/main.yml": RESTART,
        "charts/app/values.yaml": "hosts:\n  - targets: [app.${DOMAIN}:80]\n",
    }
    assert lint(tmp_path, files) == (["restart-every-run"], 1, 1)


def test_a_playbook_that_is_not_yaml_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="not YAML"):
        lint(tmp_path, {"site.yml": "- hosts: [all\n", "roles/app/tasks/main.yml": RESTART})
