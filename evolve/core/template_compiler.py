"""Syntax trees of templates as Python closures with Nunjucks' semantics.

Closures instead of Jinja2's generated Python, because the values are JavaScript's: truth, printing, operators, members
and the scope of `set` all differ, and because a template compiled this way reaches nothing but its values.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from jinja2 import nodes

from evolve.core.errors import CannotEvaluate
from evolve.core.js_members import TemplateList, call_member, get_member
from evolve.core.js_values import (
    UNDEFINED,
    JsFunction,
    JsRegex,
    Safe,
    Value,
    add,
    divide,
    floor,
    js_keys,
    less,
    loose_equal,
    multiply,
    power,
    remainder,
    strict_equal,
    subtract,
    to_js_string,
    to_number,
    truthy,
    type_name,
    units,
)
from evolve.core.template_filters import FILTERS, KEYWORDS, MAX_TEXT, Filter, check_size, find_test, suggestion
from evolve.core.template_syntax import Switch, refuse

MAX_STEPS: Final = 500_000
"""Turns of loops and calls of macros in one rendering."""
_MAX_DEPTH: Final = 60
"""Macros inside macros."""


class Fault(CannotEvaluate):
    """What went wrong while rendering, before the line is known."""

    line: int = 0


class Run:
    """One rendering: its variables and what it may still use."""

    __slots__ = ("depth", "exports", "globals", "room", "steps", "strict", "vars")

    def __init__(self, variables: Mapping[str, Value], global_values: Mapping[str, Value], strict: bool) -> None:
        self.vars = variables
        self.globals = global_values
        self.exports: dict[str, Value] = {}
        """What the top level has set; macros see it, unlike the loops' own variables."""
        self.strict = strict
        self.room = MAX_TEXT
        self.steps = MAX_STEPS
        self.depth = 0

    def lookup(self, name: str) -> Value:
        for names in (self.exports, self.vars, self.globals):
            value = names.get(name, UNDEFINED)
            if value is not UNDEFINED:
                return value
        return UNDEFINED

    def step(self) -> None:
        self.steps -= 1
        if self.steps < 0:
            raise Fault(f"takes more than {MAX_STEPS:,} steps")


class Scope:
    """The names of a loop, a macro or the top level."""

    __slots__ = ("isolated", "names", "parent", "run")

    def __init__(self, run: Run, parent: "Scope | None" = None, isolated: bool = False) -> None:
        self.run = run
        self.parent = parent
        self.isolated = isolated
        self.names: dict[str, Value] = {}

    def lookup(self, name: str) -> Value:
        scope: Scope | None = self
        while scope is not None:
            value = scope.names.get(name, UNDEFINED)
            if value is not UNDEFINED:
                return value
            scope = scope.parent
        return self.run.lookup(name)

    def assign(self, name: str, value: Value) -> None:
        """Sets the name where it is known, else here; a macro's caller never writes outside."""
        scope: Scope | None = self
        while scope is not None and scope.names.get(name, UNDEFINED) is UNDEFINED:
            scope = None if scope is self and scope.isolated else scope.parent
        (scope or self).names[name] = value
        if self.parent is None and not self.isolated:
            self.run.exports[name] = value


Expression: TypeAlias = Callable[[Scope], Value]
Statement: TypeAlias = Callable[[Scope, list[str]], None]


@dataclass(frozen=True, slots=True)
class Compiled:
    """A template that is ready to render."""

    body: Statement
    required: frozenset[str]
    """Names that every rendering prints or reads; those inside conditions and loops are not among them."""
    names: frozenset[str]
    """All names that come from outside."""

    def render(self, run: Run) -> str:
        out: list[str] = []
        self.body(Scope(run), out)
        return "".join(out)


def compile_template(tree: nodes.Template, filters: Mapping[str, Filter]) -> Compiled:
    """The closures of a template.

    Raises:
        TemplateSyntaxError: it uses something that is refused.
    """
    compiler = _Compiler(filters)
    body = compiler.body(tree.body)
    outside = frozenset(compiler.names - compiler.bound)
    return Compiled(body, outside & compiler.required, outside)


class _Compiler:
    def __init__(self, filters: Mapping[str, Filter]) -> None:
        self.filters = filters
        self.names: set[str] = set()
        self.required: set[str] = set()
        self.bound: set[str] = set()
        self.optional_depth = 0
        self.top_depth = 0

    @contextmanager
    def optional(self) -> Iterator[None]:
        """Names read in here may be missing."""
        self.optional_depth += 1
        yield
        self.optional_depth -= 1

    # --- statements

    def body(self, statements: list[Any]) -> Statement:
        compiled = [(getattr(node, "lineno", 1), self.statement(node)) for node in statements]
        if len(compiled) == 1:
            return _located(*compiled[0])

        def run(scope: Scope, out: list[str]) -> None:
            line = 0
            try:
                for line, statement in compiled:  # noqa: B007
                    statement(scope, out)
            except Fault as fault:
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
                return printed(value(scope), scope.run.strict, shown)
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
                    return body(scope, out)
            default(scope, out)

        return run

    def _do_for(self, node: nodes.For) -> Statement:
        items, shown = self.expr(node.iter), describe(node.iter)
        targets = [item.name for item in node.target.items] if isinstance(node.target, nodes.Tuple) else [node.target.name]
        self.bound |= {*targets, "loop"}
        body, otherwise = self.optional_body(node.body), self.optional_body(node.else_)

        def run(scope: Scope, out: list[str]) -> None:
            inner = Scope(scope.run, scope)
            value = items(inner)
            if value is UNDEFINED and scope.run.strict:
                raise Fault(f"`{shown}` is not defined")
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

        def run(scope: Scope, out: list[str]) -> None:
            result = value(scope)
            for name in names:
                scope.assign(name, result)

        return run

    def _do_assignblock(self, node: nodes.AssignBlock) -> Statement:
        body, names = self.body(node.body), self._targets(node.target)
        chain = self._filter_chain(node.filter)

        def run(scope: Scope, out: list[str]) -> None:
            result = chain(scope, _captured(body, scope))
            for name in names:
                scope.assign(name, result)

        return run

    def _targets(self, target: Any) -> list[str]:
        names = [item.name for item in target.items] if isinstance(target, nodes.Tuple) else [target.name]
        self.bound |= set(names)
        return names

    def _do_filterblock(self, node: nodes.FilterBlock) -> Statement:
        body, chain = self.body(node.body), self._filter_chain(node.filter)

        def run(scope: Scope, out: list[str]) -> None:
            out.append(printed(chain(scope, _captured(body, scope)), False, ""))

        return run

    def _filter_chain(self, node: Any) -> Callable[[Scope, Value], Value]:
        """What a `filter` block or a filtered `set` block does to its text."""
        if node is None:
            return lambda scope, text: text
        inner, apply = self._filter_chain(node.node), self._filter_call(node)
        return lambda scope, text: apply(scope, inner(scope, text))

    def _do_macro(self, node: nodes.Macro) -> Statement:
        self.bound.add(node.name)
        make = self._macro(node.name, node)

        def run(scope: Scope, out: list[str]) -> None:
            macro = make(None, scope.run)
            scope.names[node.name] = macro
            if scope.parent is None:
                scope.run.exports[node.name] = macro

        return run

    def _do_callblock(self, node: nodes.CallBlock) -> Statement:
        make, call = self._macro("caller", node), self._call(node.call)

        def run(scope: Scope, out: list[str]) -> None:
            out.append(printed(call(scope, {"caller": make(scope, scope.run)}), False, ""))

        return run

    def _do_block(self, node: nodes.Block) -> Statement:
        body = self.body(node.body)
        return lambda scope, out: body(Scope(scope.run, scope, isolated=True), out)

    def _macro(self, name: str, node: Any) -> Callable[[Scope | None, Run], JsFunction]:
        """What makes the macro: in a scope of its own, or for `call` in the scope around it."""
        names = [argument.name for argument in node.args]
        self.bound |= {*names, "caller"}
        with self.optional():
            defaults = [self.expr(default) for default in node.defaults]
            body = self.body(node.body)
        plain, with_default = names[: len(names) - len(defaults)], names[len(names) - len(defaults) :]

        def make(parent: Scope | None, run: Run) -> JsFunction:
            def call(args: list[Value], kwargs: dict[str, Value]) -> Value:
                run.step()
                if run.depth >= _MAX_DEPTH:
                    raise Fault(f"macro `{name}`: more than {_MAX_DEPTH} macros inside each other")
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
                    return Safe(_captured(body, scope))
                finally:
                    run.depth -= 1

            return JsFunction(name, call)

        return make

    # --- expressions

    def expr(self, node: Any) -> Expression:
        method = getattr(self, f"_on_{type(node).__name__.lower()}", None)
        if method is None:
            refuse(f"{type(node).__name__} is not supported in expressions", getattr(node, "lineno", 1))
        result: Expression = method(node)
        return result

    def _on_const(self, node: nodes.Const) -> Expression:
        value = node.value
        return lambda scope: value

    def _on_templatedata(self, node: nodes.TemplateData) -> Expression:
        text = node.data
        return lambda scope: text

    def _on_name(self, node: nodes.Name) -> Expression:
        name = node.name
        if name != "undefined":
            self.names.add(name)
            if not self.optional_depth:
                self.required.add(name)
        return lambda scope: scope.lookup(name)

    def _on_tuple(self, node: nodes.Tuple) -> Expression:
        """Parentheses with commas: JavaScript's comma operator."""
        if not node.items:
            refuse("empty parentheses", node.lineno)
        items = [self.expr(item) for item in node.items]
        return lambda scope: [item(scope) for item in items][-1]

    def _on_list(self, node: nodes.List) -> Expression:
        items = [self.expr(item) for item in node.items]
        return lambda scope: TemplateList([item(scope) for item in items])

    def _on_dict(self, node: nodes.Dict) -> Expression:
        pairs = [(_key(pair), self.expr(pair.value)) for pair in node.items]
        return lambda scope: {key: value(scope) for key, value in pairs}

    def _on_condexpr(self, node: nodes.CondExpr) -> Expression:
        with self.optional():
            test, then = self.expr(node.test), self.expr(node.expr1)
            otherwise = self.expr(node.expr2) if node.expr2 else lambda scope: ""
        return lambda scope: then(scope) if truthy(test(scope)) else otherwise(scope)

    def _on_and(self, node: nodes.And) -> Expression:
        with self.optional():
            left, right = self.expr(node.left), self.expr(node.right)

        def run(scope: Scope) -> Value:
            value = left(scope)
            return right(scope) if truthy(value) else value

        return run

    def _on_or(self, node: nodes.Or) -> Expression:
        with self.optional():
            left, right = self.expr(node.left), self.expr(node.right)

        def run(scope: Scope) -> Value:
            value = left(scope)
            return value if truthy(value) else right(scope)

        return run

    def _on_not(self, node: nodes.Not) -> Expression:
        with self.optional():
            value = self.expr(node.node)
        return lambda scope: not truthy(value(scope))

    def _on_neg(self, node: nodes.Neg) -> Expression:
        value = self._defined(node.node)
        return lambda scope: subtract(0, value(scope))

    def _on_pos(self, node: nodes.Pos) -> Expression:
        value = self._defined(node.node)
        return lambda scope: to_number(value(scope))

    def _defined(self, node: Any) -> Expression:
        """The expression; undefined is an error there when the rendering is strict."""
        value, shown = self.expr(node), describe(node)

        def run(scope: Scope) -> Value:
            result = value(scope)
            if result is UNDEFINED and scope.run.strict:
                raise Fault(f"`{shown}` is not defined")
            return result

        return run

    def _on_floordiv(self, node: nodes.FloorDiv) -> Expression:
        quotient = self._defined(node.left)
        return lambda scope: floor(to_number(quotient(scope)))

    def _on_pow(self, node: nodes.Pow) -> Expression:
        left, right = self._defined(node.left), self._defined(node.right)
        return lambda scope: power(left(scope), right(scope))

    def _on_compare(self, node: nodes.Compare) -> Expression:
        """A chain of operators of one level, from left to right."""
        compares = node.ops[0].op in _COMPARISONS
        with self.optional() if compares else nullcontext():
            operand = self.expr if compares else self._defined
            first = operand(node.expr)
            rest = [(_OPERATIONS[part.op], operand(part.expr)) for part in node.ops]

        def run(scope: Scope) -> Value:
            value = first(scope)
            for operation, right in rest:
                value = operation(value, right(scope))
            return value

        return run

    def _on_getattr(self, node: nodes.Getattr) -> Expression:
        target, key = self._target(node.node), node.attr
        return lambda scope: get_member(target(scope), key)

    def _on_getitem(self, node: nodes.Getitem) -> Expression:
        target, key = self._target(node.node), self.expr(node.arg)
        return lambda scope: get_member(target(scope), key(scope))

    def _target(self, node: Any) -> Expression:
        """What a member is read from: undefined is an error when strict, except where a condition asks for it."""
        return self.expr(node) if self.optional_depth else self._defined(node)

    def _on_call(self, node: nodes.Call) -> Expression:
        call = self._call(node)
        return lambda scope: call(scope, {})

    def _call(self, node: nodes.Call) -> Callable[[Scope, dict[str, Value]], Value]:
        arguments, shown = self._arguments(node), describe(node.node)
        if isinstance(node.node, nodes.Getattr | nodes.Getitem):
            target = self._target(node.node.node)
            key = self.expr(node.node.arg) if isinstance(node.node, nodes.Getitem) else _constant(node.node.attr)

            def method(scope: Scope, extra: dict[str, Value]) -> Value:
                args, kwargs = arguments(scope)
                return _call_method(target(scope), key(scope), args, {**kwargs, **extra}, shown)

            return method
        function = self.expr(node.node)

        def plain(scope: Scope, extra: dict[str, Value]) -> Value:
            args, kwargs = arguments(scope)
            return _called(function(scope), args, {**kwargs, **extra}, shown)

        return plain

    def _arguments(self, node: Any) -> Callable[[Scope], tuple[list[Value], dict[str, Value]]]:
        if node.dyn_args or node.dyn_kwargs:
            refuse("`*` and `**` arguments are not supported", node.lineno)
        positional = [self.expr(argument) for argument in node.args]
        named = [(keyword.key, self.expr(keyword.value)) for keyword in node.kwargs]
        return lambda scope: ([one(scope) for one in positional], {key: value(scope) for key, value in named})

    def _on_filter(self, node: nodes.Filter) -> Expression:
        lenient = node.name in ("default", "d")
        if lenient:
            with self.optional():
                value = self.expr(node.node)
        else:
            value = self._defined(node.node)
        apply = self._filter_call(node)
        return lambda scope: apply(scope, value(scope))

    def _filter_call(self, node: nodes.Filter) -> Callable[[Scope, Value], Value]:
        name = node.name
        work = self.filters.get(name)
        if work is None:
            refuse(f"there is no filter `{name}`{suggestion(name, list(self.filters))}", node.lineno)
        arguments, keywords = self._arguments(node), KEYWORDS.get(name)
        most = work.__code__.co_argcount - 1 if FILTERS.get(name) is work and hasattr(work, "__code__") else None

        def run(scope: Scope, value: Value) -> Value:
            args, kwargs = arguments(scope)
            if kwargs and keywords:
                return work(value, *args, **{_PYTHON_NAMES.get(k, k): v for k, v in kwargs.items() if k in keywords})
            args = [*args, kwargs] if kwargs else args
            result = work(value, *args[:most])
            if isinstance(result, str):
                check_size(len(result))
            return result

        return run

    def _on_test(self, node: nodes.Test) -> Expression:
        with self.optional():
            value, arguments = self.expr(node.node), self._arguments(node)
        try:
            test = find_test(node.name)
        except CannotEvaluate as exc:
            refuse(str(exc), node.lineno)
        most = test.__code__.co_argcount - 1

        def run(scope: Scope) -> Value:
            args, _ = arguments(scope)
            return test(value(scope), *args[:most]) is True

        return run


_PYTHON_NAMES: Final = {"default": "default", "base": "base"}


def _located(line: int, statement: Statement) -> Statement:
    def run(scope: Scope, out: list[str]) -> None:
        try:
            statement(scope, out)
        except Fault as fault:
            fault.line = fault.line or line
            raise

    return run


def _at(exc: CannotEvaluate, line: int) -> Fault:
    fault = exc if isinstance(exc, Fault) else Fault(*exc.args)
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


def printed(value: Value, strict: bool, shown: str) -> str:
    """A value as `{{ }}` prints it: null is nothing; undefined is nothing too, or a fault when strict."""
    if type(value) is str:
        return value
    if value is None:
        return ""
    if value is UNDEFINED:
        if strict:
            raise Fault(f"`{shown}` is not defined")
        return ""
    if isinstance(value, JsFunction):
        raise Fault(f"`{shown}` is a function: call it")
    return to_js_string(value)


def _captured(body: Statement, scope: Scope) -> str:
    out: list[str] = []
    body(scope, out)
    return "".join(out)


def _rows(value: Value, targets: int) -> list[tuple[Value, ...] | list[Value]]:
    """What each turn of a loop binds to its targets."""
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
        raise Fault(f"a loop with several names meets {type_name(item)} where it needs a list")
    return item


def _loops(length: int) -> Iterator[dict[str, Value]]:
    """The `loop` variable of each turn."""
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


def _joined(operation: Callable[[Value, Value], Value]) -> Callable[[Value, Value], Value]:
    """The operation, with a limit on the text it makes."""

    def run(left: Value, right: Value) -> Value:
        result = operation(left, right)
        if isinstance(result, str):
            check_size(len(result))
        return result

    return run


def _contains(key: Value, container: Value) -> bool:
    if isinstance(container, list):
        return any(strict_equal(item, key) for item in container)
    if isinstance(container, str):
        return to_js_string(key) in container
    if isinstance(container, Mapping):
        return to_js_string(key) in container
    raise Fault(f"`in` needs a list, a text or a mapping on its right side, not {type_name(container)}")


_COMPARISONS: Final[Mapping[str, Callable[[Value, Value], Value]]] = {
    "==": loose_equal,
    "!=": lambda a, b: not loose_equal(a, b),
    "===": strict_equal,
    "!==": lambda a, b: not strict_equal(a, b),
    "<": lambda a, b: less(a, b) is True,
    ">": lambda a, b: less(b, a) is True,
    "<=": lambda a, b: less(b, a) is False,
    ">=": lambda a, b: less(a, b) is False,
    "in": _contains,
}
_OPERATIONS: Final[Mapping[str, Callable[[Value, Value], Value]]] = {
    **_COMPARISONS,
    "+": _joined(add),
    "-": subtract,
    "*": multiply,
    "/": divide,
    "%": remainder,
    "~": _joined(lambda a, b: add(add(a, ""), b)),
}


def _constant(value: Value) -> Expression:
    return lambda scope: value


def _key(pair: nodes.Pair) -> str:
    if isinstance(pair.key, nodes.Name):
        return pair.key.name
    if isinstance(pair.key, nodes.Const) and isinstance(pair.key.value, str):
        return pair.key.value
    refuse("the keys of a mapping must be texts or names", pair.lineno)


def _called(function: Value, args: list[Value], kwargs: dict[str, Value], shown: str) -> Value:
    if not isinstance(function, JsFunction):
        state = "is not defined" if function is UNDEFINED else "is not a function"
        raise Fault(f"`{shown}` cannot be called: it {state}")
    return function.call(args, kwargs)


_PYTHONIC: Final = {
    "items": "use {% for key, value in mapping %}",
    "keys": "use {% for key, value in mapping %}",
    "values": "use {% for key, value in mapping %}",
    "get": "use mapping[key] or the filter default",
    "upper": "use .toUpperCase() or the filter upper",
    "lower": "use .toLowerCase() or the filter lower",
    "strip": "use .trim() or the filter trim",
    "format": "use ~ to put texts together",
    "append": "use .push()",
}


def _call_method(target: Value, key: Value, args: list[Value], kwargs: dict[str, Value], shown: str) -> Value:
    member = get_member(target, key)
    if isinstance(member, JsFunction) and not isinstance(target, Mapping):
        return call_member(target, member.name, [*args, kwargs] if kwargs else args)
    name = to_js_string(key)
    if member is UNDEFINED and name in _PYTHONIC:
        raise Fault(f"`{shown}` is Python, not JavaScript: {_PYTHONIC[name]}")
    return _called(member, args, kwargs, shown)


def describe(node: Any) -> str:
    """The expression as a person would write it, shortened."""
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr):
        return f"{describe(node.node)}.{node.attr}"
    if isinstance(node, nodes.Getitem):
        return f"{describe(node.node)}[{describe(node.arg)}]"
    if isinstance(node, nodes.Const):
        return str(node.value) if isinstance(node.value, JsRegex) else repr(node.value)[:40]
    if isinstance(node, nodes.Call):
        return f"{describe(node.node)}()"
    return f"{describe(node.node)} | {node.name}" if isinstance(node, nodes.Filter) and node.node else "the expression"
