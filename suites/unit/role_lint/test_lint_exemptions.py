"""`# noqa: rule reason`."""

from collections.abc import Callable

import pytest

Lint = Callable[..., list[tuple[str, str, int]]]
TASKS = "roles/app/tasks/main.yml"


def restart(comment: str = "", above: str = "") -> dict[str, str]:
    return {TASKS: f"- name: Restart\n{above}  ansible.builtin.service:{comment}\n    name: a\n    state: restarted\n"}


def test_a_reason_exempts_its_line(lint: Lint):
    assert lint(restart(" # noqa: restart-every-run the old version leaks")) == []


def test_a_comment_of_its_own_speaks_for_the_next_line(lint: Lint):
    assert lint(restart(above="  # noqa: restart-every-run the old version leaks\n")) == []


def test_an_exemption_without_a_reason_is_a_finding(lint: Lint):
    assert lint(restart(" # noqa: restart-every-run")) == [("exemption-without-reason", TASKS, 2)]


def test_an_exemption_that_exempts_nothing_is_a_finding_beside_what_is_there(lint: Lint):
    found = lint(restart(" # noqa: groups-replaced they are all"))
    assert found == [("restart-every-run", TASKS, 2), ("exemption-unused", TASKS, 2)] or found == [
        ("exemption-unused", TASKS, 2),
        ("restart-every-run", TASKS, 2),
    ]


@pytest.mark.parametrize(
    "comment", ["# noqa", "# noqa: no-changed-when", "# noqa: var-naming[no-role-prefix]", "# noqa no-handler"]
)
def test_exemptions_of_other_linters_are_theirs(lint: Lint, comment: str):
    assert lint(restart(f" {comment}")) == [("restart-every-run", TASKS, 2)]


def test_one_comment_may_serve_two_linters_and_two_rules(lint: Lint):
    text = "- uri: {url: 'http://a/b', method: POST} # noqa: fqcn[action-core], post-every-run it counts calls\n"
    assert lint({TASKS: text}) == []


def test_templates_have_theirs_in_a_comment_of_jinja(lint: Lint):
    files = {
        TASKS: "- template: {src: a.j2, dest: /etc/a, mode: '0644'}\n",
        "roles/app/templates/a.j2": "day = {{ now() }} {# noqa: time-in-file nobody restarts for it #}\n",
    }
    assert lint(files) == []


def test_a_rule_that_did_not_look_leaves_its_exemptions_in_peace(tmp_path):
    from evolve.role_lint import all_rules, choose_rules, lint_roles

    (tmp_path / "roles/app/tasks").mkdir(parents=True)
    (tmp_path / TASKS).write_text("- meta: noop # noqa: restart-every-run it is so\n")
    known = all_rules()
    assert not lint_roles([str(tmp_path / "roles")], choose_rules(["groups-replaced"], known)).findings
    assert len(lint_roles([str(tmp_path / "roles")], choose_rules([], known)).findings) == 1
