"""Expressions of templates as closures, with JavaScript's operators and members."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, Final

from jinja2 import nodes

from evolve.core.javascript.members import TemplateList, call_member, get_member
from evolve.core.javascript.values import (
    UNDEFINED,
    JsFunction,
    JsRegex,
    Value,
    add,
    divide,
    floor,
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
)
from evolve.core.model.errors import CannotEvaluate
from evolve.core.templating.filters import FILTERS, KEYWORDS
from evolve.core.templating.inputs import Filter, check_size, suggestion
from evolve.core.templating.scope import Expression, Scope, TemplateFault
from evolve.core.templating.syntax import refuse
from evolve.core.templating.tests import find_test


class ExpressionCompiler:
    """Makes closures of expressions; a method `_on_KIND` for each kind of node."""

    def __init__(self, filters: Mapping[str, Filter]) -> None:
        self.filters = filters
        self.optional_depth = 0

    @contextmanager
    def optional(self) -> Iterator[None]:
        """Compile what is inside the block so that undefined names are allowed."""
        self.optional_depth += 1
        yield
        self.optional_depth -= 1

    def expr(self, node: Any) -> Expression:
        """Return the closure that computes the value of the node."""
        method = getattr(self, f"_on_{type(node).__name__.lower()}", None)
        if method is None:
            refuse(f"{type(node).__name__} is not supported in expressions", getattr(node, "lineno", 1))
        result: Expression = method(node)
        return result

    def _on_const(self, node: nodes.Const) -> Expression:
        value = node.value
        return lambda _scope: value

    def _on_templatedata(self, node: nodes.TemplateData) -> Expression:
        text = node.data
        return lambda _scope: text

    def _on_name(self, node: nodes.Name) -> Expression:
        name = node.name
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
            otherwise = self.expr(node.expr2) if node.expr2 else lambda _scope: ""
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
        value = self._require_defined(node.node)
        return lambda scope: subtract(0, value(scope))

    def _on_pos(self, node: nodes.Pos) -> Expression:
        value = self._require_defined(node.node)
        return lambda scope: to_number(value(scope))

    def _require_defined(self, node: Any) -> Expression:
        """Compile an expression that may not be undefined when the rendering is strict."""
        value, shown = self.expr(node), describe(node)

        def run(scope: Scope) -> Value:
            result = value(scope)
            if result is UNDEFINED and scope.run.strict:
                raise TemplateFault(f"`{shown}` is not defined")
            return result

        return run

    def _on_floordiv(self, node: nodes.FloorDiv) -> Expression:
        quotient = self._require_defined(node.left)
        return lambda scope: floor(to_number(quotient(scope)))

    def _on_pow(self, node: nodes.Pow) -> Expression:
        left, right = self._require_defined(node.left), self._require_defined(node.right)
        return lambda scope: power(left(scope), right(scope))

    def _on_compare(self, node: nodes.Compare) -> Expression:
        """A chain of operators of one level, from left to right."""
        compares = node.ops[0].op in _COMPARISONS
        with self.optional() if compares else nullcontext():
            operand = self.expr if compares else self._require_defined
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
        """Compile what a member is read from: undefined is an error when strict, except inside a condition."""
        return self.expr(node) if self.optional_depth else self._require_defined(node)

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
            return _call_function(function(scope), args, {**kwargs, **extra}, shown)

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
            value = self._require_defined(node.node)
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
                return work(value, *args, **{key: argument for key, argument in kwargs.items() if key in keywords})
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


def _limit_size(operation: Callable[[Value, Value], Value]) -> Callable[[Value, Value], Value]:
    """Return the operation with a limit on the text that it makes."""

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
    raise TemplateFault(f"`in` needs a list, a text or a mapping on its right side, not {type_name(container)}")


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
    "+": _limit_size(add),
    "-": subtract,
    "*": multiply,
    "/": divide,
    "%": remainder,
    "~": _limit_size(lambda a, b: add(add(a, ""), b)),
}


def _constant(value: Value) -> Expression:
    return lambda _scope: value


def _key(pair: nodes.Pair) -> str:
    key = getattr(pair.key, "name", None) if isinstance(pair.key, nodes.Name) else getattr(pair.key, "value", None)
    if not isinstance(key, str):
        refuse("the keys of a mapping must be texts or names", pair.lineno)
    return key


def _call_function(function: Value, args: list[Value], kwargs: dict[str, Value], shown: str) -> Value:
    if not isinstance(function, JsFunction):
        state = "is not defined" if function is UNDEFINED else "is not a function"
        raise TemplateFault(f"`{shown}` cannot be called: it {state}")
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
        raise TemplateFault(f"`{shown}` is Python, not JavaScript: {_PYTHONIC[name]}")
    return _call_function(member, args, kwargs, shown)


def describe(node: Any) -> str:
    """Return the expression as a person would write it, shortened."""
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr):
        return f"{describe(node.node)}.{node.attr}"
    if isinstance(node, nodes.Getitem):
        return f"{describe(node.node)}[{describe(node.arg)}]"
    if isinstance(node, nodes.Const):
        return (
            str(node.value) if isinstance(node.value, JsRegex) else repr(node.value)[:40]
        )  # keeps a message on one line
    if isinstance(node, nodes.Call):
        return f"{describe(node.node)}()"
    return f"{describe(node.node)} | {node.name}" if isinstance(node, nodes.Filter) and node.node else "the expression"
