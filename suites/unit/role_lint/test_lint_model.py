"""What the lint understands of roles: blocks, loops, handlers, includes, variables, every way to write a task."""

from collections.abc import Callable

Lint = Callable[..., list[tuple[str, str, int]]]

RESTART = """
- name: Restart
  ansible.builtin.service: {name: app, state: restarted}
"""


def rules(found: list[tuple[str, str, int]]) -> list[str]:
    return [rule for rule, _, _ in found]


def test_a_condition_of_an_outer_block_guards_its_tasks(lint: Lint):
    text = """
- when: app_broken
  block:
    - block:
        - service: {name: app, state: restarted}
"""
    assert lint({"roles/app/tasks/main.yml": text}) == []


def test_a_rescue_is_no_every_day_task(lint: Lint):
    text = """
- block:
    - command: "true"
      changed_when: false
  rescue:
    - service: {name: app, state: restarted}
  always:
    - service: {name: other, state: restarted}
"""
    assert lint({"roles/app/tasks/main.yml": text}) == [("restart-every-run", "roles/app/tasks/main.yml", 7)]


def test_short_and_full_names_and_old_forms_are_one_module(lint: Lint):
    text = """
- service: name=app state=restarted
- ansible.builtin.service: {name: app, state: restarted}
- ansible.legacy.systemd: name=app state="restarted"
- action: service name=app state=restarted
- local_action: {module: service, name: app, state: restarted}
- service:
  args: {name: app, state: restarted}
- service: name={{ app name }} state=restarted
"""
    found = lint({"roles/app/tasks/main.yml": text})
    assert found == [("restart-every-run", "roles/app/tasks/main.yml", line) for line in (1, 2, 3, 4, 5, 6, 8)]


def test_free_form_commands_keep_their_options(lint: Lint):
    text = """
- shell: echo a=b >> /etc/app.conf creates=/etc/app.conf
- shell: echo a=b >> /etc/app.conf
- command:
    argv: [mkdir, -p, /opt/app]
  changed_when: no
"""
    found = lint({"roles/app/tasks/main.yml": text})
    assert found == [
        ("append-every-run", "roles/app/tasks/main.yml", 2),
        ("hidden-change", "roles/app/tasks/main.yml", 5),
    ]


def test_a_file_included_by_a_condition_is_guarded_and_by_import_too(lint: Lint):
    main = """
- include_tasks: broken.yml
  when: app_broken
- import_tasks: deep/first.yml
- include_tasks:
    file: open.yml
"""
    found = lint(
        {
            "roles/app/tasks/main.yml": main,
            "roles/app/tasks/broken.yml": "- import_tasks: inner.yml\n" + RESTART,
            "roles/app/tasks/inner.yml": RESTART,
            "roles/app/tasks/deep/first.yml": "- include_tasks: second.yml\n",
            "roles/app/tasks/deep/second.yml": RESTART,
            "roles/app/tasks/open.yml": RESTART,
            "roles/app/tasks/other_entry.yml": RESTART,
        }
    )
    assert [path for _, path, _ in found] == ["roles/app/tasks/deep/second.yml", "roles/app/tasks/open.yml"]


def test_a_file_that_a_variable_names_is_open_where_its_include_is(lint: Lint):
    restart = {f"roles/app/tasks/{name}.yml": RESTART for name in ("setup-Debian", "setup-RedHat", "repair-a")}
    main = """
- include_tasks: "setup-{{ ansible_facts.os_family }}.yml"
- include_tasks: "repair-{{ app_fault }}.yml"
  when: app_fault is defined
"""
    found = lint({"roles/app/tasks/main.yml": main, **restart})
    assert [path for _, path, _ in found] == ["roles/app/tasks/setup-Debian.yml", "roles/app/tasks/setup-RedHat.yml"]


def test_two_files_of_which_a_run_takes_one_do_not_fight(lint: Lint):
    write = "- copy: {content: a, dest: /etc/app.conf, mode: '0644'}\n"
    files = {f"roles/app/tasks/{name}.yml": write for name in ("Debian", "RedHat")}
    assert lint({"roles/app/tasks/main.yml": '- include_tasks: "{{ ansible_os_family }}.yml"\n', **files}) == []


def test_handlers_and_what_only_they_include_may_restart(lint: Lint):
    found = lint(
        {
            "roles/app/tasks/main.yml": "- copy: {content: a, dest: /etc/a, mode: '0644'}\n  notify: Restart all\n",
            "roles/app/handlers/main.yml": "- name: Restart all\n  include_tasks: ../tasks/restart.yml\n",
            "roles/app/tasks/restart.yml": RESTART,
        }
    )
    assert found == []


def test_handlers_of_dependencies_and_of_the_playbook_are_known(lint: Lint):
    notify = "- copy: {content: a, dest: /etc/a, mode: '0644'}\n  notify: [%s]\n"
    found = lint(
        {
            "site.yml": "- hosts: all\n  roles: [app]\n  handlers:\n    - name: Of the play\n      meta: noop\n",
            "roles/app/tasks/main.yml": notify % "Of the base, Of the play, 'base : Of the base', Of nobody",
            "roles/app/meta/main.yml": "dependencies: [base]\n",
            "roles/base/tasks/main.yml": "- meta: noop\n",
            "roles/base/handlers/main.yml": "- name: Of the base\n  meta: noop\n",
            "roles/other/tasks/main.yml": notify % "Of a stranger",
            "roles/other/meta/main.yml": "dependencies: [{role: stranger.collection.role}]\n",
        },
        ".",
    )
    assert found == [("handler-unknown", "roles/app/tasks/main.yml", 2)]


def test_values_come_from_the_level_that_wins(lint: Lint):
    use = "- apt: {name: app, state: '{{ app_state }}'}\n"
    default = "app_state: latest\n"
    role = {"roles/app/tasks/main.yml": use, "roles/app/defaults/main.yml": default}
    assert rules(lint(role)) == ["latest-by-variable"]
    assert lint({**role, "group_vars/all.yml": "app_state: present\n"}) == []
    assert rules(lint({"group_vars/all.yml": "app_state: '{{ app_other }}'\napp_other: latest\n"})) == [
        "latest-by-variable"
    ]
    assert lint({"roles/app/tasks/main.yml": use.rstrip() + "\n  vars: {app_state: present}\n"}) == []
    assert lint({"roles/app/tasks/main.yml": "- set_fact: {app_state: present}\n" + use}) == []
    assert lint({"roles/app/tasks/main.yml": use, "roles/app/vars/Debian.yml": "app_state: present\n"}) == []


def test_literal_loops_are_spelled_out(lint: Lint):
    text = """
- file: {path: "{{ item.path }}", state: directory, mode: "{{ item.mode }}"}
  loop:
    - {path: /srv/a, mode: "0755"}
    - {path: /srv/b, mode: "0700"}
- copy: {content: a, dest: "{{ thing }}", mode: "0644"}
  with_items: [/etc/a.conf, /etc/b.conf]
  loop_control: {loop_var: thing}
- copy: {content: b, dest: /etc/b.conf, mode: "0644"}
"""
    assert lint({"roles/app/tasks/main.yml": text}) == [("two-writers", "roles/app/tasks/main.yml", 8)]


def test_module_defaults_count_as_arguments(lint: Lint):
    text = """
- module_defaults:
    ansible.builtin.apt: {cache_valid_time: 3600}
  block:
    - apt: {name: app, update_cache: true}
"""
    assert lint({"roles/app/tasks/main.yml": text}) == []


def test_playbooks_and_the_files_that_they_include_are_read(lint: Lint):
    playbook = """
- hosts: all
  pre_tasks:
    - include_tasks: tasks/first.yml
  tasks:
    - service: {name: app, state: restarted}
- import_playbook: other.yml
"""
    found = lint({"site.yml": playbook, "tasks/first.yml": RESTART}, ".")
    assert found == [("restart-every-run", "site.yml", 5), ("restart-every-run", "tasks/first.yml", 2)]


def test_vaults_unsafe_texts_and_anchors_are_read(lint: Lint):
    text = """
app_secret: !vault |
  $ANSIBLE_VAULT;1.1;AES256
  6162
app_text: !unsafe "{{ 5 | random }}"
app_base: &base {a: 1}
app_more:
  <<: *base
  b: 2
"""
    tasks = "- debug: {msg: '{{ app_more }} {{ app_secret }}'}\n"
    assert lint({"roles/app/defaults/main.yml": text, "roles/app/tasks/main.yml": tasks}) == []


def test_a_finding_in_a_literal_block_has_the_line_of_the_text(lint: Lint):
    text = """
- shell: |
    app prepare
    curl https://example.org/x | sudo bash
  args: {creates: /opt/app}
"""
    assert lint({"roles/app/tasks/main.yml": text}) == [("download-into-shell", "roles/app/tasks/main.yml", 3)]


def test_molecule_scenarios_are_not_linted(lint: Lint):
    files = {"roles/app/tasks/main.yml": "- meta: noop\n", "roles/app/molecule/default/prepare.yml": RESTART}
    assert lint(files) == []


def test_handlers_beside_a_given_role_are_known_and_not_looked_at(lint: Lint):
    files = {
        "site.yml": "- hosts: all\n  roles: [app, base]\n  handlers: [{name: Of the play, meta: noop}]\n",
        "roles/app/tasks/main.yml": "- copy: {content: a, dest: /etc/a, mode: '0644'}\n"
        "  notify: [Of the base, Of the play, Of nobody]\n",
        "roles/base/handlers/main.yml": "- name: Of the base\n  meta: noop\n",
        "roles/base/tasks/main.yml": RESTART,
    }
    assert lint(files, "roles/app") == [("handler-unknown", "roles/app/tasks/main.yml", 2)]
    assert rules(lint(files, "roles")) == ["handler-unknown", "restart-every-run"]


def test_group_vars_above_are_found_from_wherever_the_lint_starts(lint: Lint, tmp_path, monkeypatch):
    from evolve.role_lint import all_rules, lint_roles

    files = {
        "group_vars/all.yaml": "gateway_port: 8811\n",
        "roles/app/tasks/main.yml": "- uri: {url: 'http://localhost:8811/'}\n",
    }
    assert rules(lint(files, "roles/app")) == ["hard-coded-port"]
    for here, place in (
        ("", "."),
        ("", "roles"),
        ("", "roles/app"),
        ("roles", "."),
        ("roles", "app"),
        ("roles/app", "."),
    ):
        monkeypatch.chdir(tmp_path / here)
        found = lint_roles([place], tuple(all_rules().values())).findings
        assert [item.rule for item in found] == ["hard-coded-port"], (here, place)


def test_a_task_that_yaml_repeats_by_an_alias_is_one_text(lint: Lint):
    text = """
- when: app_here
  block:
    - &ask
      command: app state
      register: app_state
      changed_when: false
      check_mode: false
    - &say
      debug: {msg: "{{ app_state.stdout }}"}
- when: not app_here
  block:
    - *ask
    - *say
"""
    assert lint({"roles/app/tasks/main.yml": text}) == []


def test_a_playbook_may_upgrade_and_restart_hosts(lint: Lint):
    text = "- hosts: all\n  tasks:\n    - apt: {upgrade: dist, update_cache: true}\n    - reboot:\n"
    assert lint({"upgrade.yml": text}, ".") == []


def test_a_shared_value_is_known_through_the_variables_that_it_is_made_of(lint: Lint):
    files = {
        "group_vars/all.yaml": "cluster_home: /opt/anneal\nmodels_dir: '{{ cluster_home }}/models'\n",
        "roles/app/tasks/main.yml": "- stat: {path: /opt/anneal/models/a.gguf}\n- stat: {path: '{{ models_dir }}/b'}\n",
        "templates/start.sh.j2": "#!/bin/sh\nls /opt/anneal/models\n",
        "scripts/start.sh": "#!/bin/sh\nls /opt/anneal/models\n",
    }
    assert lint(files) == [
        ("hard-coded-path", "roles/app/tasks/main.yml", 1),
        ("hard-coded-path", "templates/start.sh.j2", 2),
    ]
