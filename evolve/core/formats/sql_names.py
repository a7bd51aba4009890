"""The tables and columns that parsed statements use, in the form of promptfoo's allow lists."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from evolve.core.model.libraries import import_optional


def table_names(statements: Iterable[Any]) -> Iterator[str]:
    """Yield `action::database::table` for each table; names of `WITH` count as tables.

    The database is null where the statement names none.
    """
    exp = import_optional("sqlglot.expressions")
    for statement in statements:
        target = _target(exp, statement)
        action = _action(exp, statement)
        for table in statement.find_all(exp.Table):
            if table.name and not _is_other(exp, statement, table):
                changed = table is target or isinstance(statement, exp.Drop | exp.TruncateTable)
                yield f"{action if changed else 'select'}::{table.db or 'null'}::{table.name}"
        if isinstance(statement, exp.Use):
            yield f"use::{statement.this.name if statement.this else 'null'}::null"


def column_names(statements: Iterable[Any]) -> Iterator[str]:
    """Yield `action::table::column` for each column; the table is null where none is named, `*` is `(.*)`."""
    exp = import_optional("sqlglot.expressions")
    for statement in statements:
        aliases = {table.alias: table.name for table in statement.find_all(exp.Table) if table.alias}
        action, target = _action(exp, statement), _target(exp, statement)
        written = set(map(id, _assignments(exp, statement)))
        for column in statement.find_all(exp.Column):
            if id(column) not in written:
                table = aliases.get(column.table, column.table)
                yield f"select::{table or 'null'}::{'(.*)' if isinstance(column.this, exp.Star) else column.name}"
        yield from _selected_stars(exp, statement)
        for column in statement.find_all(exp.ColumnDef):
            yield f"select::null::{column.name}"
            yield f"create::null::{column.name}"
        if target is not None and action in ("insert", "update", "delete"):
            yield from _write_targets(exp, statement, action, target.name, aliases)


def _action(exp: Any, statement: Any) -> str:
    kinds = (
        (exp.Insert, "insert"), (exp.Update, "update"), (exp.Delete, "delete"), (exp.Create, "create"),
        (exp.Drop, "drop"), (exp.Alter, "alter"), (exp.TruncateTable, "truncate"),
    )  # fmt: skip
    return next((name for kind, name in kinds if isinstance(statement, kind)), "select")


def _target(exp: Any, statement: Any) -> Any:
    """Return the table that a statement changes; None for queries."""
    if isinstance(statement, exp.Query):
        return None
    target = statement.this
    return target.this if isinstance(target, exp.Schema) else target


def _is_other(exp: Any, statement: Any, table: Any) -> bool:
    """Return whether the name belongs to something else than a table: a new index, view or database."""
    if isinstance(statement, exp.Use | exp.Set | exp.Show):
        return True
    return (
        isinstance(statement, exp.Create)
        and (statement.kind or "").upper() != "TABLE"
        and _is_made(exp, statement, table)
    )


def _is_made(exp: Any, statement: Any, table: Any) -> bool:
    return table is _target(exp, statement) or statement.find(exp.Index) is not None


def _assignments(exp: Any, statement: Any) -> Sequence[Any]:
    if not isinstance(statement, exp.Update):
        return ()
    return [part.this for part in statement.expressions if isinstance(part, exp.EQ)]


def _selected_stars(exp: Any, statement: Any) -> Iterator[str]:
    for select in statement.find_all(exp.Select):
        if any(isinstance(part, exp.Star) for part in select.expressions):
            yield "select::null::(.*)"


def _write_targets(exp: Any, statement: Any, action: str, table: str, aliases: dict[str, str]) -> Iterator[str]:
    if action == "update":
        for column in _assignments(exp, statement):
            named = aliases.get(column.table, column.table)
            yield f"update::{named or 'null'}::{column.name}"
        return
    named_columns = statement.this.expressions if isinstance(statement.this, exp.Schema) else ()
    for column in named_columns:
        yield f"{action}::{table}::{column.name}"
    if not named_columns:
        yield f"{action}::{table}::(.*)"
