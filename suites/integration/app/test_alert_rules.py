"""The alerts of role monitoring, by promtool: each fires when it has to, and stays quiet when it has not."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures.monitoring_files import RULES, alert_cases, all_rules, expected_jobs, monitoring_file
from fixtures.real_prometheus import need_prometheus

CASES = alert_cases()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    need_prometheus()
    made: Path = tmp_path_factory.mktemp("rules")
    for name in RULES:
        text = monitoring_file(f"{name}.j2", expected_jobs=expected_jobs(), may_sleep=["10.0.0.7"])
        (made / name).write_text(text)
    return made


def promtool(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False, timeout=60)


def test_the_rules_can_be_read(folder):
    done = promtool("check", "rules", *(str(folder / name) for name in RULES))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", RULES)
def test_without_anything_expected_they_can_be_read_too(tmp_path, name):
    need_prometheus()
    (tmp_path / "rules.yml").write_text(monitoring_file(f"{name}.j2"))
    done = promtool("check", "rules", str(tmp_path / "rules.yml"))
    assert done.returncode == 0, done.stdout + done.stderr


def as_promtool(case: Mapping[str, Any]) -> dict[str, Any]:
    fires = dict(case.get("fires", {}))
    annotations = {"summary": fires.pop("summary", ""), "runbook": f"docs/monitoring.md#{case['alert'].lower()}"}
    expected = [{"exp_labels": fires, "exp_annotations": annotations}] if fires else []
    return {
        "name": f"{case['alert']}: {case['when']}",
        "interval": "1m",
        "input_series": [{"series": name, "values": str(values)} for name, values in case["series"].items()],
        "alert_rule_test": [{"eval_time": case["at"], "alertname": case["alert"], "exp_alerts": expected}],
    }


def test_each_alert_fires_when_it_has_to_and_only_then(folder):
    """One start of promtool for all of them: its failures name the case."""
    tests = {
        "rule_files": list(RULES),
        "evaluation_interval": "1m",
        "tests": [as_promtool(case) for case in CASES],
    }
    (folder / "tests.yml").write_text(yaml.safe_dump(tests, sort_keys=False))
    done = promtool("test", "rules", str(folder / "tests.yml"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_expectation_would_be_seen(folder):
    """An alert that does not fire, and one that should not, fail the tests above."""
    turned = [{**CASES[0], "fires": {}}, {**CASES[1], "fires": CASES[0]["fires"]}]
    for number, case in enumerate(turned):
        tests = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [as_promtool(case)]}
        (folder / f"turned{number}.yml").write_text(yaml.safe_dump(tests))
        assert promtool("test", "rules", str(folder / f"turned{number}.yml")).returncode == 1


def test_every_alert_has_its_part_of_the_page_with_what_to_type_next():
    page = (Path(__file__).parents[3] / "docs/monitoring.md").read_text()
    parts = {part.partition("\n")[0]: part for part in page.split("\n### ")[1:]}
    rules = {rule["alert"]: rule for rule in all_rules()}
    assert set(parts) == set(rules)
    for name, rule in rules.items():
        assert rule["annotations"]["runbook"] == f"docs/monitoring.md#{name.lower()}"
        assert re.search(r"Next:\s[^`]*`[^`]+`", parts[name]), f"{name}: nothing to type"


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not():
    names = {rule["alert"] for rule in all_rules()}
    assert {case["alert"] for case in CASES if case.get("fires")} == names
    assert {case["alert"] for case in CASES if not case.get("fires")} == names
