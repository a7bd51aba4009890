"""What a template sees while it renders: variables, scopes, limits, and how a value is printed."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from evolve.core.javascript.values import UNDEFINED, JsFunction, Value, to_js_string
from evolve.core.model.errors import CannotEvaluate
from evolve.core.templating.inputs import MAX_TEXT

MAX_STEPS: Final = 500_000
"""Turns of loops and calls of macros in one rendering; no prompt needs so many, and endless work is stopped."""


class TemplateFault(CannotEvaluate):
    """An error while rendering; the statement that fails adds its line."""

    line: int = 0


class Run:
    """One rendering: its variables, and how much room and how many steps are left."""

    __slots__ = ("depth", "exports", "globals", "room", "steps", "strict", "vars")

    def __init__(self, variables: Mapping[str, Value], global_values: Mapping[str, Value], strict: bool) -> None:
        self.vars = variables
        self.globals = global_values
        self.exports: dict[str, Value] = {}
        """What the top level has set; macros see it, but not the variables of loops."""
        self.strict = strict
        self.room = MAX_TEXT
        self.steps = MAX_STEPS
        self.depth = 0

    def lookup(self, name: str) -> Value:
        """Return the value of the name outside all scopes."""
        for names in (self.exports, self.vars, self.globals):
            value = names.get(name, UNDEFINED)
            if value is not UNDEFINED:
                return value
        return UNDEFINED

    def step(self) -> None:
        """Count a turn of a loop or a call; raise TemplateFault beyond the limit."""
        self.steps -= 1
        if self.steps < 0:
            raise TemplateFault(f"takes more than {MAX_STEPS:,} steps")


class Scope:
    """The names of a loop, a macro or the top level."""

    __slots__ = ("isolated", "names", "parent", "run")

    def __init__(self, run: Run, parent: "Scope | None" = None, isolated: bool = False) -> None:
        self.run = run
        self.parent = parent
        self.isolated = isolated
        self.names: dict[str, Value] = {}

    def lookup(self, name: str) -> Value:
        """Return the value in the innermost scope that has the name; UNDEFINED when none has."""
        scope: Scope | None = self
        while scope is not None:
            value = scope.names.get(name, UNDEFINED)
            if value is not UNDEFINED:
                return value
            scope = scope.parent
        return self.run.lookup(name)

    def assign(self, name: str, value: Value) -> None:
        """Set the name in the scope that has it, else here; a macro never writes outside its scope."""
        scope: Scope | None = self
        while scope is not None and scope.names.get(name, UNDEFINED) is UNDEFINED:
            scope = None if scope is self and scope.isolated else scope.parent
        (scope or self).names[name] = value
        if self.parent is None and not self.isolated:
            self.run.exports[name] = value


Expression: TypeAlias = Callable[[Scope], Value]
Statement: TypeAlias = Callable[[Scope, list[str]], None]


def to_output(value: Value, strict: bool, shown: str) -> str:
    """Return a value as `{{ }}` prints it: null is nothing; undefined is nothing too, or a fault when strict."""
    if type(value) is str:
        return value
    if value is None:
        return ""
    if value is UNDEFINED:
        if strict:
            raise TemplateFault(f"`{shown}` is not defined")
        return ""
    if isinstance(value, JsFunction):
        raise TemplateFault(f"`{shown}` is a function: call it")
    return to_js_string(value)
