"""is-sql and contains-sql against recorded verdicts of promptfoo's parser."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlglot
import sqlglot.errors
import yaml

from evolve.core.formats import sql_syntax
from evolve.core.formats.sql_dialects import _TAKEN, SQLGLOT
from fixtures.checks import judge

RECORDED = Path(__file__).parents[4] / "fixtures" / "sql_statements.yaml"


def recorded() -> Any:
    return yaml.load(RECORDED.read_text("utf-8"), yaml.CSafeLoader)


LEAST = {"MySQL": 0.99, "MariaDB": 0.99, "PostgreSQL": 0.975, "TransactSQL": 0.94}


@pytest.mark.parametrize("database", recorded()["dialects"].values())
def test_nearly_all_statements_are_taken_where_promptfoo_takes_them(database: str) -> None:
    data = recorded()
    code = next(code for code, name in data["dialects"].items() if name == database)
    different = [
        case["sql"]
        for case in data["statements"]
        if judge("is-sql", {"databaseType": database}, case["sql"]).passed != (code in case["taken"].split())
    ]
    assert len(different) <= (1 - LEAST.get(database, 0.96)) * len(data["statements"]), different


def test_each_recorded_pattern_decides_a_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any of them more recorded verdicts would be wrong: the table holds no pattern that nobody can check."""
    data, patterns = recorded(), sql_syntax.TAKEN[: len(_TAKEN)]
    monkeypatch.setattr(sql_syntax, "TAKEN", ())  # each pattern is then seen alone
    sql_syntax._parse.cache_clear()
    gain: Counter[int] = Counter()
    for case in data["statements"]:
        for code, database in data["dialects"].items():
            refusing = _refusing(case["sql"], database.lower(), patterns)
            if len(refusing) == 1 and sql_syntax.sql_problem(case["sql"], database, None, None) is None:
                gain[refusing.pop()] += -1 if code in case["taken"].split() else 1
    sql_syntax._parse.cache_clear()
    assert [patterns[at][0].pattern for at in range(len(patterns)) if gain[at] <= 0] == []


def _refusing(text: str, dialect: str, patterns: Sequence[tuple[re.Pattern[str], frozenset[str]]]) -> set[int]:
    """The patterns that refuse a statement."""
    source = sql_syntax._in_own_words(text, dialect)
    try:
        tokens = sqlglot.Dialect.get_or_raise(SQLGLOT[dialect]).tokenize(source)
    except sqlglot.errors.SqlglotError:
        return set()
    groups = [" ".join(sql_syntax._word(token, source) for token in group) for group in sql_syntax._split(tokens)]
    lines = [
        line
        for line in groups
        if not any(dialect in dialects and pattern.fullmatch(line) for pattern, dialects in sql_syntax.OTHERS)
    ]
    return {
        at
        for at, (pattern, dialects) in enumerate(patterns)
        if dialect not in dialects and any(pattern.search(line) for line in lines)
    }


TABLES = [
    (["select::null::jobs"], "SELECT id FROM jobs", True),
    (["select::null::jobs"], "SELECT id FROM secrets", False),
    (["select::null::jobs"], "DELETE FROM jobs", False),
    (["select::null::jobs"], "DROP TABLE jobs", False),
    (["select::null::jobs"], "SELECT a FROM jobs JOIN secrets ON jobs.id = secrets.id", False),
    (["select::null::jobs"], "SELECT a FROM jobs WHERE id IN (SELECT id FROM secrets)", False),
    (["(select|update)::(.*)::(jobs|allocs)"], "UPDATE jobs SET a = 1", True),
    (["select::null::jobs"], "SELECT 1; TRUNCATE TABLE jobs", False),
    ([], "SELECT id FROM secrets", True),
]


@pytest.mark.parametrize(("allowed", "sql", "passes"), TABLES)
def test_only_allowed_tables_pass(allowed: list[str], sql: str, passes: bool) -> None:
    assert judge("is-sql", {"allowedTables": allowed}, sql).passed is passes
    assert judge("not-is-sql", {"allowedTables": allowed}, sql).passed is not passes


COLUMNS = [
    (["select::null::id"], "SELECT id FROM jobs", True),
    (["select::jobs::id"], "SELECT id FROM jobs", True),
    (["select::jobs::id"], "SELECT jobs.secret FROM jobs", False),
    (["select::jobs::id"], "SELECT j.id FROM jobs j", True),
    (["select::null::id"], "SELECT id FROM jobs WHERE secret = 1", False),
    (["select::null::id"], "SELECT * FROM jobs", False),
    (["select::null::(.*)"], "SELECT * FROM jobs", True),
    (["update::null::a", "select::null::b"], "UPDATE t SET a = 1 WHERE b = 2", True),
    (["update::null::a"], "UPDATE t SET a = b", False),
]


@pytest.mark.parametrize(("allowed", "sql", "passes"), COLUMNS)
def test_only_allowed_columns_pass(allowed: list[str], sql: str, passes: bool) -> None:
    assert judge("is-sql", {"allowedColumns": allowed}, sql).passed is passes


BLOCKS = [
    ("Try:\n```sql\nSELECT 1\n```", True),
    ("Try:\n```\nSELECT 1\n```", True),
    ("Try:\n```python\nprint(1)\n```", False),
    ("~~~sql\nSELECT 1\n~~~", True),
    ("```sql\nSELEC 1\n```\nor\n```sql\nSELECT 2\n```", True),
    ("```sql\nSELECT 1", False),
    ("SELECT 1", True),
    ("", False),
]


@pytest.mark.parametrize(("output", "passes"), BLOCKS)
def test_sql_is_looked_for_in_closed_blocks_and_else_everywhere(output: str, passes: bool) -> None:
    assert judge("contains-sql", None, output).passed is passes
    assert judge("not-contains-sql", None, output).passed is not passes


def test_the_reason_names_what_is_not_allowed() -> None:
    verdict = judge("is-sql", {"allowedTables": ["select::null::jobs"]}, "SELECT id FROM secrets")
    assert "Used: select::null::secrets. Allowed: select::null::jobs" in verdict.reason
