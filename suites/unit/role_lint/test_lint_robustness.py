"""Whatever YAML holds, the lint ends with findings or with a message for people."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lint_samples import SAMPLES

from evolve.core.model.errors import InputError
from evolve.role_lint import all_rules, as_json, as_sarif, as_text, lint_roles

RULES = tuple(all_rules().values())
WORDS = sorted({word for path in SAMPLES.rglob("*.yml") for word in path.read_text().split() if len(word) < 40})
KEYS = st.sampled_from(
    [
        "name",
        "service",
        "copy",
        "file",
        "template",
        "command",
        "shell",
        "user",
        "apt",
        "git",
        "uri",
        "lineinfile",
        "blockinfile",
        "replace",
        "cron",
        "get_url",
        "pip",
        "when",
        "loop",
        "with_items",
        "loop_control",
        "register",
        "notify",
        "block",
        "rescue",
        "always",
        "vars",
        "args",
        "changed_when",
        "check_mode",
        "include_tasks",
        "set_fact",
        "state",
        "path",
        "dest",
        "src",
        "line",
        "regexp",
        "mode",
        "groups",
        "cmd",
        "argv",
        "url",
        "version",
        "poll",
        "async",
        "listen",
        "handlers",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers(-5, 70000) | st.sampled_from(WORDS) | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
TASKS = st.lists(st.dictionaries(KEYS, VALUES, max_size=6), max_size=5) | VALUES


def lint(files: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            path = Path(folder, "app", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
        report = lint_roles([str(Path(folder, "app"))], RULES)
    assert list(as_text(report))
    assert as_json(report)
    assert as_sarif(report)


@given(TASKS, TASKS, VALUES, VALUES)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_content_of_a_role_breaks_the_lint(tasks: Any, handlers: Any, defaults: Any, meta: Any):
    lint(
        {
            "tasks/main.yml": tasks,
            "handlers/main.yml": handlers,
            "defaults/main.yml": defaults,
            "meta/main.yml": meta,
            "meta/argument_specs.yml": {"argument_specs": {"main": meta}},
        }
    )


def test_every_file_that_cannot_be_read_is_reported_at_once(tmp_path: Path):
    role = tmp_path / "roles/app"
    for name, data in {
        "tasks/main.yml": b"- name: a\n  copy: {a: b\n",
        "tasks/other.yml": b"a: 'open\n",
        "defaults/main.yml": b"a: \xff\xfe\n",
        "handlers/main.yml": b"a: &a [*a]\n",
        "vars/main.yml": b"a: \x00\n",
        "meta/main.yml": b"a: " + b"[" * 5000,
    }.items():
        (role / name).parent.mkdir(parents=True, exist_ok=True)
        (role / name).write_bytes(data)
    with pytest.raises(InputError) as caught:
        lint_roles([str(tmp_path / "roles"), str(tmp_path / "nowhere")], RULES)
    reported = "\n".join(map(str, caught.value.problems))
    assert len(caught.value.problems) == 7
    assert "tasks/main.yml:3:1: not YAML" in reported
    assert "defaults/main.yml: not UTF-8" in reported
    assert "nowhere: no such folder" in reported


def test_a_folder_without_roles_is_reported(tmp_path: Path):
    with pytest.raises(InputError, match="no role and no playbook"):
        lint_roles([str(tmp_path)], RULES)
