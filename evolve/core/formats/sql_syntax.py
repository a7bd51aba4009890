"""SQL: checks that a text is SQL of a dialect, and that it uses only certain tables and columns.

The parser is sqlglot. It is laxer than promptfoo's and knows more; `sql_dialects` lists what to refuse nevertheless.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

from evolve.core.formats.sql_dialects import FREE_ALIASES, FREE_TABLES, OTHERS, RESERVED, SQLGLOT, STRICT_MEMBERS, TAKEN
from evolve.core.formats.sql_names import column_names, table_names
from evolve.core.javascript.values import JS_SPACE, js_strip
from evolve.core.model.libraries import import_optional


def sql_problem(text: str, database: str, tables: Sequence[str] | None, columns: Sequence[str] | None) -> str | None:
    """Return why the text is not such SQL; None when it is.

    Args:
        text: one or more statements.
        database: promptfoo's `databaseType`, in any case.
        tables: patterns of `action::database::table`; each table that is used must match one. None allows all.
        columns: patterns of `action::table::column`; each column that is used must match one. None allows all.
    """
    dialect = database.lower()
    if dialect not in SQLGLOT:
        return f"unknown databaseType {database}"
    problem = _suspicion(text, database)
    try:
        statements = _parse(text, dialect)
    except _NotSql as exc:
        return problem or f"not {database}: {exc}"
    return problem or _find_unallowed(statements, tables, columns)


class _NotSql(Exception):
    """The text is not SQL of the dialect; the message has the reason."""


# --- Signs of a mistake that parsers overlook ------------------------------------------------------------------------

_NAME: Final = "[A-Za-z_][A-Za-z0-9_]*"
_ANSI_WORDS: Final = "(?:all|distinct)"
_MYSQL_WORDS: Final = (
    "(?:all|distinct(?:row)?|high_priority|straight_join"
    "|sql_(?:big_result|buffer_result|cache|calc_found_rows|no_cache|small_result))"
)
_GENERATE_SERIES: Final = re.compile(rf"\bgenerate_series[{JS_SPACE}]*\(", re.IGNORECASE | re.ASCII)


def _missing_comma_pattern(words: str) -> re.Pattern[str]:
    """Return the pattern of two names between `select` and `from` without a comma."""
    space = f"[{JS_SPACE}]+"
    return re.compile(
        rf"\bselect{space}(?:{words}{space})*(?!{words}\b){_NAME}{space}{_NAME}{space}from\b", re.IGNORECASE | re.ASCII
    )


_MISSING_COMMA: Final = _missing_comma_pattern(_ANSI_WORDS)
_MISSING_COMMA_MYSQL: Final = _missing_comma_pattern(_MYSQL_WORDS)


def _suspicion(text: str, database: str) -> str | None:
    trimmed = js_strip(text)
    if not trimmed:
        return "the text is empty"
    if trimmed.count("`") % 2:
        return "a backtick is missing"
    pattern = _MISSING_COMMA_MYSQL if database in ("MySQL", "MariaDB") else _MISSING_COMMA
    found = pattern.search(_without_quoted(trimmed, has_brackets=database in ("TransactSQL", "Sqlite")))
    if found:
        return f"a comma seems to be missing in {found[0]!r}"
    if database == "MySQL" and _GENERATE_SERIES.search(trimmed):
        return "MySQL has no generate_series"
    return None


_QUOTED: Final = re.compile(
    r"""(?P<quoted>'(?:\\[\s\S]|''|[^'\\])*(?:'|\Z)|"(?:\\[\s\S]|""|[^"\\])*(?:"|\Z)|`(?:\\[\s\S]|``|[^`\\])*(?:`|\Z))"""
    r"""|(?P<dollar>(\$(?:[A-Za-z_][A-Za-z0-9_]*)?\$)[\s\S]*?(?:\3|\Z))"""
    r"""|(?P<comment>(?:--|\#)[^\r\n]*|/\*[\s\S]*?(?:\*/|\Z))"""
    r"""|(?P<bracket>\[(?:\]\]|[^\]])*(?:\]|\Z))"""
)


def _without_quoted(text: str, *, has_brackets: bool) -> str:
    def blank(found: re.Match[str]) -> str:
        if found.lastgroup == "bracket" and not has_brackets:
            return found[0]
        return " " if found.lastgroup == "comment" else " ? "

    return _QUOTED.sub(blank, text)


# --- Parsing ---------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)  # several assertions of a test judge one output
def _parse(text: str, dialect: str) -> tuple[Any, ...]:
    """Return the statements that sqlglot parsed, without those that only the dialect knows (`OTHERS`)."""
    errors = import_optional("sqlglot.errors")
    try:
        return tuple(_statements(text, dialect))
    except errors.SqlglotError as exc:
        raise _NotSql(str(exc).splitlines()[0]) from None
    except RecursionError:
        raise _NotSql("it is nested too deeply") from None


def _statements(text: str, dialect: str) -> Iterator[Any]:
    sqlglot = import_optional("sqlglot")
    parser = sqlglot.Dialect.get_or_raise(SQLGLOT[dialect])
    source = _in_own_words(text, dialect)
    for group in _split(parser.tokenize(source)):
        line = " ".join(_word(token, source) for token in group)
        if any(pattern.fullmatch(line) and dialect in dialects for pattern, dialects in OTHERS):
            continue
        refused = next(
            (found[0] for pattern, dialects in TAKEN if dialect not in dialects and (found := pattern.search(line))),
            None,
        )
        if refused is not None:
            raise _NotSql(f"unexpected {refused.strip()!r}")
        _check_order(group, source)
        for statement in parser.parser(error_level=sqlglot.ErrorLevel.IMMEDIATE).parse(group, source):
            if statement is not None:
                _check_statement(statement, dialect)
                yield statement


_BACKTICKS: Final = frozenset(
    ("postgresql", "transactsql", "snowflake", "redshift", "athena", "db2", "flinksql", "trino", "noql")
)
_NO_ESCAPES: Final = _BACKTICKS - {"snowflake", "redshift"} | {"sqlite"}
_REPLACE: Final = re.compile(
    rf"\A[{JS_SPACE}]*REPLACE[{JS_SPACE}]+INTO\b|\A[{JS_SPACE}]*INSERT[{JS_SPACE}]+IGNORE[{JS_SPACE}]+INTO\b", re.I
)
_UNION: Final = re.compile(rf"\bUNION[{JS_SPACE}]+(?!ALL\b|DISTINCT\b)", re.IGNORECASE)
_PARTS: Final = re.compile(r"""'(?:\\[\s\S]|''|[^'\\])*'|"(?:""|[^"])*"|`[^`]*`|--[^\r\n]*|/\*[\s\S]*?\*/""")


def _in_own_words(text: str, dialect: str) -> str:
    """Rewrite what promptfoo's parser accepts in every dialect (backticks, REPLACE INTO ...) for sqlglot's dialect."""
    if dialect not in ("mysql", "mariadb", "hive"):
        text = _REPLACE.sub("INSERT INTO", text)
    if dialect == "bigquery":
        text = _UNION.sub("UNION DISTINCT ", text)
    if "`" not in text and "\\" not in text:
        return text

    def rewrite(found: re.Match[str]) -> str:
        part = found[0]
        if part[0] == "`" and dialect in _BACKTICKS:
            return f'"{part[1:-1]}"'
        return part.replace("\\'", "''") if part[0] == "'" and dialect in _NO_ESCAPES else part

    return _PARTS.sub(rewrite, text)


def _split(tokens: Sequence[Any]) -> Iterator[list[Any]]:
    group: list[Any] = []
    for token in tokens:
        if token.token_type.name == "SEMICOLON":
            if group:
                yield group
            group = []
        else:
            group.append(token)
    if group:
        yield group


_TEXTS: Final = frozenset(
    ("STRING", "NATIONAL_STRING", "RAW_STRING", "HEREDOC_STRING", "BYTE_STRING", "UNICODE_STRING")
)


def _word(token: Any, source: str) -> str:
    kind = token.token_type.name
    if kind in _TEXTS and source[token.start : token.start + 1] in _QUOTES:
        return "'T'"
    if kind == "IDENTIFIER":
        return "[N]" if source[token.start : token.start + 1] == "[" else '"N"'
    return " ".join(token.text.upper().split())


_QUOTES: Final = tuple("'\"$NnEeRrBbXxUu")


_CLAUSES: Final = {"WHERE": 1, "GROUP BY": 2, "HAVING": 3, "ORDER BY": 4, "LIMIT": 5}
_STARTS: Final = frozenset(("SELECT", "UNION", "INTERSECT", "EXCEPT", "MINUS", "UPDATE", "DELETE", "INSERT"))


def _check_order(tokens: Sequence[Any], source: str) -> None:
    """Raise _NotSql when clauses are out of order; sqlglot accepts any order."""
    ranks = [0]
    for token in tokens:
        word = _word(token, source)
        if word == "(":
            ranks.append(0)
        elif word == ")" and len(ranks) > 1:
            ranks.pop()
        elif word in _STARTS:
            ranks[-1] = 0
        elif (rank := _CLAUSES.get(word, 0)) and token.token_type.name != "VAR":
            if rank < ranks[-1]:
                raise _NotSql(f"unexpected {word}")
            ranks[-1] = rank


def _check_statement(statement: Any, dialect: str) -> None:
    exp = import_optional("sqlglot.expressions")
    kinds = (
        exp.Query, exp.DML, exp.DDL, exp.Drop, exp.Alter, exp.TruncateTable, exp.Use, exp.Set, exp.Show, exp.Describe,
        exp.Command, exp.Delete, exp.Semicolon, exp.Analyze,
    )  # fmt: skip
    if not isinstance(statement, kinds):
        raise _NotSql("it is not a statement")
    kinds_of_columns = (column.kind for column in statement.find_all(exp.ColumnDef))
    if any(kind is not None and kind.this == exp.DataType.Type.USERDEFINED for kind in kinds_of_columns):
        raise _NotSql("it has a column of an unknown type")
    for name in statement.find_all(exp.Identifier):
        if not name.args.get("quoted") and name.name.lower() in RESERVED[dialect] and not _is_free(exp, name, dialect):
            raise _NotSql(f"expected a name, got the reserved word {name.name}")


def _is_free(exp: Any, name: Any, dialect: str) -> bool:
    parent = name.parent
    if isinstance(parent, exp.Column) and name.arg_key == "this" and parent.args.get("table") is not None:
        return dialect not in STRICT_MEMBERS
    if isinstance(parent, exp.Table):
        return dialect in FREE_TABLES
    if isinstance(parent, exp.Alias | exp.TableAlias):
        return dialect in FREE_ALIASES
    return not isinstance(parent, exp.Column | exp.ColumnDef)


# --- What it may use -------------------------------------------------------------------------------------------------


def _find_unallowed(
    statements: Sequence[Any], tables: Sequence[str] | None, columns: Sequence[str] | None
) -> str | None:
    if tables is not None:
        used = sorted(set(table_names(statements)))
        if not _are_allowed(used, tables):
            return f"it uses tables that are not allowed. Used: {', '.join(used)}. Allowed: {', '.join(tables)}"
    if columns is not None:
        used = sorted(set(column_names(statements)))
        if not _are_allowed(used, [*columns, *_without_tables(columns)]):
            return f"it uses columns that are not allowed. Used: {', '.join(used)}. Allowed: {', '.join(columns)}"
    return None


def _without_tables(columns: Iterable[str]) -> Iterator[str]:
    """Yield `select::null::id` for `select::jobs::id`: a statement may name a column without its table."""
    for column in columns:
        parts = column.split("::")
        if len(parts) == 3 and parts[1] != "null":
            yield f"{parts[0]}::null::{parts[2]}"


def _are_allowed(used: Iterable[str], allowed: Sequence[str]) -> bool:
    from evolve.core.javascript.engine import Regex

    if not allowed:
        return True  # an empty list restricts nothing
    patterns = [Regex(f"^{pattern}$", "i") for pattern in allowed]
    return all(any(pattern.search(name) for pattern in patterns) for name in used)
