"""`is-sql` and `contains-sql`: the output is SQL, or has some in it, on allowed tables and columns."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from evolve.core.assertions._registry import assertion_type
from evolve.core.assertions._values import quote, wrong_value
from evolve.core.javascript.values import js_strip
from evolve.core.model.json_value import JsonValue
from evolve.core.model.verdicts import AssertionInput, Verdict

DATABASES = (
    "Athena", "BigQuery", "DB2", "FlinkSQL", "Hive", "MariaDB", "MySQL", "Noql", "PostgreSQL", "Redshift", "Snowflake",
    "Sqlite", "TransactSQL", "Trino",
)  # fmt: skip
"""Allowed values of `databaseType`, in upper or lower case."""

_TEXTS: JsonValue = {"type": "array", "items": {"type": "string", "minLength": 1}}
_DATABASE: JsonValue = {
    "type": "string",
    "pattern": f"(?i)^({'|'.join(DATABASES)})?$",
    "x-expected": f"one of {', '.join(DATABASES)}",
}
_SCHEMA: JsonValue = {
    "type": ["object", "null"],
    "properties": {"databaseType": _DATABASE, "allowedTables": _TEXTS, "allowedColumns": _TEXTS},
    "additionalProperties": False,
    "x-expected": "a mapping with databaseType, allowedTables or allowedColumns",
}


@assertion_type("is-sql", value_schema=_SCHEMA)
def is_sql(check: AssertionInput) -> Verdict:
    """Pass when the whole output can be parsed, as MySQL unless `databaseType` names another."""
    problem = _problem(check.text, _wanted_names(check))
    if problem is not None:
        return check.verdict(False, f"Expected SQL: {problem}, got {quote(check.text)}")
    return check.verdict(
        True, f"Expected output that is not such SQL, got {quote(check.text)}" if check.negated else ""
    )


@assertion_type("contains-sql", value_schema=_SCHEMA)
def contains_sql(check: AssertionInput) -> Verdict:
    """Pass when one fenced block of SQL (or of no language) can be parsed; without such blocks, the output."""
    wanted = _wanted_names(check)
    problem: str | None = "it has none"
    for text in list(sql_blocks(check.text)) or [check.text]:
        if js_strip(text):
            problem = _problem(text, wanted)
        if problem is None:
            return check.verdict(True, f"Expected output without SQL, got {quote(check.text)}" if check.negated else "")
    return check.verdict(False, f"Expected output to contain SQL: {problem}, got {quote(check.text)}")


@dataclass(frozen=True, slots=True)
class _Wanted:
    database: str = "MySQL"
    tables: tuple[str, ...] | None = None
    columns: tuple[str, ...] | None = None


def _wanted_names(check: AssertionInput) -> _Wanted:
    value = check.assertion.value
    if value is None:
        return _Wanted()
    if not isinstance(value, dict):
        raise wrong_value(check, "a mapping with databaseType, allowedTables or allowedColumns")
    database = value.get("databaseType") or "MySQL"
    if not isinstance(database, str):
        raise wrong_value(check, "a mapping whose databaseType is text")
    return _Wanted(database, _texts(check, value.get("allowedTables")), _texts(check, value.get("allowedColumns")))


def _texts(check: AssertionInput, value: JsonValue) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list):
        raise wrong_value(check, "a mapping whose allowed tables and columns are lists")
    texts = tuple(text for text in value if isinstance(text, str))
    if len(texts) != len(value):
        raise wrong_value(check, "a mapping whose allowed tables and columns are lists of texts")
    return texts


def _problem(text: str, wanted: _Wanted) -> str | None:
    from evolve.core.formats.sql_syntax import sql_problem

    return sql_problem(text, wanted.database, wanted.tables, wanted.columns)


_FENCE = re.compile(r"[ \t]{0,3}(`{3,}|~{3,})[ \t]*([^\r\n]*)")
_LINE_END = re.compile(r"\r\n?|\n")


def sql_blocks(text: str) -> Iterator[str]:
    """Yield the bodies of closed fenced blocks without a language, or of the language sql."""
    fence, is_sql_block = "", False
    body: list[str] = []
    for line in _LINE_END.split(text):
        found = _FENCE.fullmatch(line)
        if not fence and found:
            fence, is_sql_block, body = found[1], js_strip(found[2]).lower() in ("", "sql"), []
        elif fence and found and not found[2].strip(" \t") and found[1].startswith(fence):
            if is_sql_block:
                yield js_strip("\n".join(body))
            fence = ""
        else:
            body.append(line)
