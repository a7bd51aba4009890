"""Syntax trees of templates as Python closures with Nunjucks' semantics.

Closures instead of Jinja2's generated Python, because the values are JavaScript's: truth, printing, operators, members
and the scope of `set` all differ, and because a template compiled this way reaches nothing but its values.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from jinja2 import nodes

from evolve.core.javascript.members import get_member
from evolve.core.javascript.values import (
    UNDEFINED,
    JsFunction,
    Safe,
    Value,
    js_keys,
    strict_equal,
    truthy,
    type_name,
    units,
)
from evolve.core.model.errors import CannotEvaluate
from evolve.core.templating.expressions import ExpressionCompiler, describe
from evolve.core.templating.inputs import MAX_TEXT, Filter, check_size
from evolve.core.templating.scope import Run, Scope, Statement, TemplateFault, to_output
from evolve.core.templating.syntax import Switch, refuse

_MAX_DEPTH: Final = 60
"""Macros inside macros. Each level takes several Python frames, and Python's stack must not overflow."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A template that is ready to render."""

    body: Statement

    def render(self, run: Run) -> str:
        """Return the text; raise CannotEvaluate when it cannot be made."""
        out: list[str] = []
        self.body(Scope(run), out)
        return "".join(out)


def compile_template(tree: nodes.Template, filters: Mapping[str, Filter]) -> Compiled:
    """Return the closures of a template.

    Raises:
        TemplateSyntaxError: the template uses something that is not supported.
    """
    return Compiled(_Compiler(filters).body(tree.body))


class _Compiler(ExpressionCompiler):
    """Makes closures of statements; a method `_do_KIND` for each kind of node."""

    def body(self, statements: list[Any]) -> Statement:
        compiled = [(getattr(node, "lineno", 1), self.statement(node)) for node in statements]
        if len(compiled) == 1:
            return _locate(*compiled[0])

        def run(scope: Scope, out: list[str]) -> None:
            line = 0
            try:
                for line, statement in compiled:  # noqa: B007
                    statement(scope, out)
            except TemplateFault as fault:
                fault.line = fault.line or line
                raise

        return run

    def statement(self, node: Any) -> Statement:
        method = getattr(self, f"_do_{type(node).__name__.lower()}", None)
        if method is None:
            refuse(f"the tag {type(node).__name__.lower()!r} is not supported", getattr(node, "lineno", 1))
        result: Statement = method(node)
        return result

    def optional_body(self, statements: list[Any]) -> Statement:
        with self.optional():
            return self.body(statements)

    def _do_output(self, node: nodes.Output) -> Statement:
        parts = [self._part(item) for item in node.nodes]
        if len(parts) == 1:
            return _emit_text(parts[0]) if isinstance(parts[0], str) else _emit_value(parts[0])

        def run(scope: Scope, out: list[str]) -> None:
            texts = [part if isinstance(part, str) else part(scope) for part in parts]
            scope.run.room -= sum(map(len, texts))
            if scope.run.room < 0:
                check_size(MAX_TEXT + 1)
            out += texts

        return run

    def _part(self, node: nodes.Expr) -> str | Callable[[Scope], str]:
        if isinstance(node, nodes.TemplateData):
            return node.data
        value, shown, line = self.expr(node), describe(node), node.lineno

        def text(scope: Scope) -> str:
            try:
                return to_output(value(scope), scope.run.strict, shown)
            except CannotEvaluate as exc:
                raise _at(exc, line) from None

        return text

    def _do_if(self, node: nodes.If) -> Statement:
        with self.optional():
            test = self.expr(node.test)
        then, otherwise = self.optional_body(node.body), self.optional_body(node.else_)

        def run(scope: Scope, out: list[str]) -> None:
            (then if truthy(test(scope)) else otherwise)(scope, out)

        return run

    def _do_switch(self, node: Switch) -> Statement:
        with self.optional():
            subject = self.expr(node.subject)
            cases = [(self.expr(condition), self.body(body), bool(body)) for condition, body in node.cases]
            default = self.body(node.default)

        def run(scope: Scope, out: list[str]) -> None:
            value, falling = subject(scope), False
            for condition, body, stops in cases:
                falling = falling or strict_equal(value, condition(scope))
                if falling and stops:
                    body(scope, out)
                    return
            default(scope, out)

        return run

    def _do_for(self, node: nodes.For) -> Statement:
        items, shown = self.expr(node.iter), describe(node.iter)
        targets = self._targets(node.target)
        body, otherwise = self.optional_body(node.body), self.optional_body(node.else_)

        def run(scope: Scope, out: list[str]) -> None:
            inner = Scope(scope.run, scope)
            value = items(inner)
            if value is UNDEFINED and scope.run.strict:
                raise TemplateFault(f"`{shown}` is not defined")
            rows = _rows(value, len(targets)) if truthy(value) else []
            for loop, row in zip(_loops(len(rows)), rows, strict=True):
                scope.run.step()
                inner.names.update(zip(targets, row, strict=False))
                inner.names["loop"] = loop
                body(inner, out)
            if not rows:
                otherwise(inner, out)

        return run

    def _do_assign(self, node: nodes.Assign) -> Statement:
        value, names = self.expr(node.node), self._targets(node.target)

        def run(scope: Scope, _out: list[str]) -> None:
            result = value(scope)
            for name in names:
                scope.assign(name, result)

        return run

    def _do_assignblock(self, node: nodes.AssignBlock) -> Statement:
        body, names = self.body(node.body), self._targets(node.target)
        chain = self._filter_chain(node.filter)

        def run(scope: Scope, _out: list[str]) -> None:
            result = chain(scope, _capture(body, scope))
            for name in names:
                scope.assign(name, result)

        return run

    def _targets(self, target: Any) -> list[str]:
        items: list[Any] = target.items if isinstance(target, nodes.Tuple) else [target]
        return [item.name for item in items]

    def _do_filterblock(self, node: nodes.FilterBlock) -> Statement:
        body, chain = self.body(node.body), self._filter_chain(node.filter)

        def run(scope: Scope, out: list[str]) -> None:
            out.append(to_output(chain(scope, _capture(body, scope)), False, ""))

        return run

    def _filter_chain(self, node: Any) -> Callable[[Scope, Value], Value]:
        """Return the function that a `filter` block or a filtered `set` block applies to its text."""
        if node is None:
            return lambda _scope, text: text
        inner, apply = self._filter_chain(node.node), self._filter_call(node)
        return lambda scope, text: apply(scope, inner(scope, text))

    def _do_macro(self, node: nodes.Macro) -> Statement:
        make = self._macro(node.name, node)

        def run(scope: Scope, _out: list[str]) -> None:
            macro = make(None, scope.run)
            scope.names[node.name] = macro
            if scope.parent is None:
                scope.run.exports[node.name] = macro

        return run

    def _do_callblock(self, node: nodes.CallBlock) -> Statement:
        make, call = self._macro("caller", node), self._call(node.call)

        def run(scope: Scope, out: list[str]) -> None:
            out.append(to_output(call(scope, {"caller": make(scope, scope.run)}), False, ""))

        return run

    def _do_block(self, node: nodes.Block) -> Statement:
        body = self.body(node.body)
        return lambda scope, out: body(Scope(scope.run, scope, isolated=True), out)

    def _macro(self, name: str, node: Any) -> Callable[[Scope | None, Run], JsFunction]:
        """Return a function that makes the macro: in a scope of its own, or for `call` in the scope around it."""
        names = [argument.name for argument in node.args]
        with self.optional():
            defaults = [self.expr(default) for default in node.defaults]
            body = self.body(node.body)
        plain, with_default = names[: len(names) - len(defaults)], names[len(names) - len(defaults) :]

        def make(parent: Scope | None, run: Run) -> JsFunction:
            def call(args: list[Value], kwargs: dict[str, Value]) -> Value:
                run.step()
                if run.depth >= _MAX_DEPTH:
                    raise TemplateFault(f"macro `{name}`: more than {_MAX_DEPTH} macros inside each other")
                scope = Scope(run, parent, isolated=True)
                given = {**kwargs, **dict(zip(with_default, args[len(plain) :], strict=False))}
                scope.names.update((key, kwargs.get(key, UNDEFINED)) for key in plain[len(args) :])
                scope.names.update(zip(plain, args, strict=False))
                if "caller" in kwargs:
                    scope.names["caller"] = kwargs["caller"]
                for key, default in zip(with_default, defaults, strict=True):
                    scope.names[key] = given[key] if key in given else default(scope)
                run.depth += 1
                try:
                    return Safe(_capture(body, scope))
                finally:
                    run.depth -= 1

            return JsFunction(name, call)

        return make


def _locate(line: int, statement: Statement) -> Statement:
    def run(scope: Scope, out: list[str]) -> None:
        try:
            statement(scope, out)
        except TemplateFault as fault:
            fault.line = fault.line or line
            raise

    return run


def _at(exc: CannotEvaluate, line: int) -> TemplateFault:
    fault = exc if isinstance(exc, TemplateFault) else TemplateFault(*exc.args)
    fault.line = fault.line or line
    return fault


def _emit_text(text: str) -> Statement:
    size = len(text)

    def run(scope: Scope, out: list[str]) -> None:
        scope.run.room -= size
        if scope.run.room < 0:
            check_size(MAX_TEXT + 1)
        out.append(text)

    return run


def _emit_value(value: Callable[[Scope], str]) -> Statement:
    def run(scope: Scope, out: list[str]) -> None:
        text = value(scope)
        scope.run.room -= len(text)
        if scope.run.room < 0:
            check_size(MAX_TEXT + 1)
        out.append(text)

    return run


def _capture(body: Statement, scope: Scope) -> str:
    out: list[str] = []
    body(scope, out)
    return "".join(out)


def _rows(value: Value, targets: int) -> list[tuple[Value, ...] | list[Value]]:
    """Return what each turn of a loop binds to its targets."""
    if targets == 1:
        if isinstance(value, Mapping):
            length = value.get("length", 0)
            return [(get_member(value, index),) for index in range(length)] if isinstance(length, int) else []
        items = units(value) if isinstance(value, str) else value if isinstance(value, list) else []
        return [(item,) for item in items]
    if isinstance(value, list):
        return [[get_member(_row(item), place) for place in range(targets)] for item in value]
    if isinstance(value, Mapping):
        return [(key, value[key]) for key in js_keys(value)]
    return [(str(place), char) for place, char in enumerate(units(value))] if isinstance(value, str) else []


def _row(item: Value) -> Value:
    if item is None or item is UNDEFINED:
        raise TemplateFault(f"a loop with several names needs lists, got {type_name(item)}")
    return item


def _loops(length: int) -> Iterator[dict[str, Value]]:
    """Yield the `loop` variable of each turn."""
    for index in range(length):
        yield {
            "index": index + 1,
            "index0": index,
            "revindex": length - index,
            "revindex0": length - index - 1,
            "first": index == 0,
            "last": index == length - 1,
            "length": length,
        }
