"""Finds patterns in Ansible roles that break idempotency, restarts or other hosts, without running the roles.

nodes.py     YAML with places               tasks.py, homes.py, loading.py    the model: tasks, roles, playbooks
literals.py  variables with known values    reach.py    includes: which files every run executes
rules/       a file for each rule or family of rules    exemptions.py    `# noqa: rule reason`
"""

from evolve.role_lint.linting import LintReport, lint_roles
from evolve.role_lint.outputs import as_json, as_sarif, as_text
from evolve.role_lint.registry import all_rules, choose_rules
from evolve.role_lint.rule import LintFinding, Match, Rule

__all__ = [
    "LintFinding",
    "LintReport",
    "Match",
    "Rule",
    "all_rules",
    "as_json",
    "as_sarif",
    "as_text",
    "choose_rules",
    "lint_roles",
]
