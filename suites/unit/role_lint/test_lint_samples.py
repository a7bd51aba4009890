"""Each rule finds its pattern in its bad samples, on the marked lines, and no rule finds anything else."""

from collections.abc import Callable
from pathlib import Path

import pytest
from lint_samples import SAMPLES, placed
from rules_page import FOLDER, PAGE, page, rule_pages

from evolve.role_lint import LintFinding, all_rules

Findings = Callable[..., list[LintFinding]]
RULES = sorted(all_rules())


def samples(rule: str, kind: str) -> list[Path]:
    return sorted(path for path in (SAMPLES / rule).iterdir() if path.name.startswith(kind))


def marked(place: Path) -> set[tuple[str, int]]:
    return {
        (str(path), number)
        for path in place.rglob("*")
        if path.is_file()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if "smell" in line
    }


@pytest.mark.parametrize("rule", RULES)
def test_bad_samples_are_found_where_they_are_marked(rule: str, tmp_path: Path, findings: Findings):
    for number, sample in enumerate(samples(rule, "bad")):
        place = placed(sample, tmp_path / str(number))
        found = findings(place)
        assert {(item.spot.path, item.spot.line) for item in found} == marked(place)
        assert {item.rule for item in found} == {rule}


@pytest.mark.parametrize("rule", RULES)
def test_good_samples_are_clean(rule: str, tmp_path: Path, findings: Findings):
    for number, sample in enumerate(samples(rule, "good")):
        assert findings(placed(sample, tmp_path / str(number))) == []


def test_every_rule_has_samples_and_every_sample_a_rule():
    assert sorted(path.name for path in SAMPLES.iterdir()) == RULES
    assert all(samples(rule, kind) for rule in RULES for kind in ("bad", "good"))


def test_every_rule_says_what_why_and_how_to_mend():
    for rule in all_rules().values():
        assert rule.what
        assert not rule.what.endswith(".")
        assert rule.why.endswith(".")
        assert rule.fix


_AGAIN = "run `python suites/unit/role_lint/rules_page.py`"


def test_the_table_of_rules_is_of_today():
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, _AGAIN


def test_every_rule_has_a_page_of_today_and_no_page_is_left_over():
    written = {path: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
    assert written == rule_pages(), _AGAIN
