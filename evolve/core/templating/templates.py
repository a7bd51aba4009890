"""Templates: Jinja2's grammar with Nunjucks' semantics and promptfoo's rules for prompts and nested variables.

Text without tags is returned at once; text with only `{{ name }}` and `{{ name.member }}` never loads Jinja2.
"""

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from evolve.core.javascript.values import UNDEFINED, JsFunction, Value, from_units, to_js_string, to_json
from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.json_value import JsonValue
from evolve.core.model.strictness import UndefinedNames
from evolve.core.text.did_you_mean import closest_variable

if TYPE_CHECKING:
    from evolve.core.templating.compiler import Compiled

_MAX_CACHED: Final = 4_096
"""Compiled templates that are kept; more than a suite has. Generated texts must not fill the memory."""
_MAX_SOURCE: Final = 4_000_000
"""Characters of a template; a longer text is data that happens to hold a tag, and would take long to parse."""
_PLAIN_TAG: Final = re.compile(r"\{\{\s*([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\s*\}\}", re.A)
_RESERVED: Final = frozenset(
    ("true", "false", "none", "null", "not", "and", "or", "in", "is", "if", "else", "undefined", "loop", "caller")
)
# From here to `_COMMENT` the patterns do what promptfoo's do: others would leave other texts unrendered.
_HALF_TAG: Final = re.compile(r"(\{%[^%]*$|\{\{[^}]*$|\{#[^#]*$)", re.M)
_RAW: Final = re.compile(r"\{%\s*raw\s*%\}")
_END_RAW: Final = re.compile(r"\{%\s*endraw\s*%\}")
_NESTED: Final = re.compile(r"\{\{\s*(\w+)\s*\}\}", re.A)
_REFERENCE: Final = re.compile(r"\{\{\s*([^{}\s|]+)\s*(?:\|[^}]+)?\}\}|\{%\s*(?:if|for)\s+([^{}\s]+)\s*.*?%\}")
_FOR: Final = re.compile(r"\{%\s*for\s+(\w+)\s+in\s+(\w+)\s*%\}", re.A)
_COMMENT: Final = re.compile(r"\{#[\s\S]*?#\}")
_REPLACEMENT: Final = re.compile(r"\$([$&`'])")
_MAX_PASSES: Final = 5
"""How often promptfoo replaces variables inside variables."""

CustomFilter = Callable[..., JsonValue]


class VarTemplateError(CannotEvaluate):
    """The text of a variable could not be rendered; such a text is a template, as in promptfoo."""

    def __init__(self, name: str, reason: str) -> None:
        self.name, self.reason = name, reason
        super().__init__(f"the var {name!r}: {reason}")


class UndefinedVariable(CannotEvaluate):
    """A template prints or reads a variable that is not defined; `meant` is the one that its name resembles."""

    def __init__(self, message: str, name: str, meant: str | None) -> None:
        self.name, self.meant = name, meant
        super().__init__(message)


class Templates:
    """Renders the templates of one suite.

    `undefined` "strict" makes a missing variable an error where it would be printed, read into, looped over or
    calculated with; conditions, `default` and `is defined` may ask for it. "empty" prints nothing, as promptfoo does.
    "typos" is strict where the name resembles a variable or is one of `env`, and prints nothing otherwise.
    `env` is what templates see as `env`: only the variables that the caller allows, never the whole environment.
    """

    def __init__(
        self,
        undefined: UndefinedNames = "strict",
        env: Mapping[str, str] | None = None,
        filters: Mapping[str, CustomFilter] | None = None,
    ) -> None:
        self._strict = undefined != "empty"
        self._forgives = undefined == "typos"
        self._env: dict[str, Value] = {"env": dict(env or {})}
        self._filters = dict(filters or {})
        self._plain: dict[str, _Plain | None] = {}
        self._compiled: dict[str, Compiled | CannotEvaluate] = {}
        self._globals: dict[str, Value] | None = None

    def render(self, text: str, variables: Mapping[str, JsonValue]) -> str:
        """Return the text with its tags replaced.

        Raises:
            CannotEvaluate: not well-formed, an undefined variable (strict), a type error, or a limit; with the line.
        """
        if not has_tags(text):
            return text
        try:
            return self._render(text, variables, self._strict)
        except UndefinedVariable as error:
            # A variable of the environment is not left out on purpose: it is not set on this machine.
            if error.meant or error.name == "env" or not self._forgives:
                raise
            return self._render(text, variables, strict=False)

    def _render(self, text: str, variables: Mapping[str, JsonValue], strict: bool) -> str:
        plain = self._plain_template(text)
        return plain.render(variables, self._env, strict) if plain else self._render_full(text, variables, strict)

    def render_value(self, value: JsonValue, variables: Mapping[str, JsonValue]) -> JsonValue:
        """Return the value with every string inside rendered; keys are not rendered."""
        if isinstance(value, str):
            return self.render(value, variables)
        if isinstance(value, list):
            return [self.render_value(item, variables) for item in value]
        if isinstance(value, dict):
            return {key: self.render_value(item, variables) for key, item in value.items()}
        return value

    def prepare_vars(self, variables: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Return the variables as prompts and assertions see them, by promptfoo's rules.

        One trailing line break of each text is cut; then up to five times the first plain `{{ name }}` in each text
        is replaced by that variable's text. Other tags wait for `render_prepared`.
        """
        prepared = {
            key: value.removesuffix("\n") if isinstance(value, str) else value for key, value in variables.items()
        }
        for _ in range(_MAX_PASSES):
            changed = False
            for key, value in prepared.items():
                if isinstance(value, str) and "{{" in value:
                    replaced = _insert_first(value, prepared)
                    changed = changed or replaced is not None
                    prepared[key] = value if replaced is None else replaced
            if not changed:
                break
        return prepared

    def render_prepared(self, text: str, variables: Mapping[str, JsonValue]) -> str:
        """Return the prompt that is sent, by promptfoo's rules, from variables that `prepare_vars` made.

        A prompt that is JSON has each of its strings rendered by itself, so that values need no escaping, and is
        indented by two. Otherwise each text variable is a template too, unless it names an unknown variable, and then
        the prompt is rendered. A text with a tag that does not end on its line is not rendered.
        """
        parsed = _json_or_none(text)
        if parsed is not None:
            try:
                return to_json(self.render_value(parsed[0], variables), 2)
            except CannotEvaluate:
                pass  # promptfoo renders the text instead; an error that remains has the line of the text then
        if not has_tags(text) or _is_half_tagged(text):
            return text
        return self.render(text, {key: self._render_var(key, value, variables) for key, value in variables.items()})

    def _render_var(self, name: str, value: JsonValue, variables: Mapping[str, JsonValue]) -> JsonValue:
        if not isinstance(value, str) or not has_tags(value) or _is_half_tagged(value):
            return value
        if _names_unknown(value, variables):
            return value
        try:
            return self.render(value, variables)
        except CannotEvaluate as error:
            raise VarTemplateError(name, str(error)) from None

    def _plain_template(self, text: str) -> "_Plain | None":
        try:
            return self._plain[text]
        except KeyError:
            if len(self._plain) >= _MAX_CACHED:
                self._plain.clear()
            return self._plain.setdefault(text, _plain(text))

    def _render_full(self, text: str, variables: Mapping[str, JsonValue], strict: bool) -> str:
        from evolve.core.templating.scope import Run, TemplateFault

        compiled = self._compile(text)
        if isinstance(compiled, CannotEvaluate):
            raise CannotEvaluate(*compiled.args)
        try:
            return from_units(compiled.render(Run(variables, self._all_globals(), strict)))
        except TemplateFault as fault:
            raise _template_error(f"template line {fault.line or 1}", str(fault), variables) from None
        except CannotEvaluate as exc:
            raise CannotEvaluate(f"template: {exc}") from None
        except RecursionError:
            raise CannotEvaluate("template: nested too deeply") from None

    def _compile(self, text: str) -> "Compiled | CannotEvaluate":
        found = self._compiled.get(text)
        if found is None:
            if len(self._compiled) >= _MAX_CACHED:
                self._compiled.clear()
            found = self._compiled[text] = _compile_text(text, self._filters)
        return found

    def _all_globals(self) -> dict[str, Value]:
        if self._globals is None:
            from evolve.core.templating.globals import GLOBALS

            self._globals = {**GLOBALS, **self._env}
        return self._globals


def has_tags(text: str) -> bool:
    """Return whether a text is a template at all."""
    return "{" in text and ("{{" in text or "{%" in text or "{#" in text)


def syntax_problem(text: str, *, is_prompt: bool = False) -> str | None:
    """Return why a text is not a well-formed template, with the line; None when it is, or is never rendered.

    Args:
        is_prompt: a prompt is not rendered when a tag does not end on its line; one that is JSON is not checked here.
    """
    if not has_tags(text) or _plain(text) or (is_prompt and (_is_half_tagged(text) or _json_or_none(text))):
        return None
    compiled = _compile_text(text, {})
    return str(compiled) if isinstance(compiled, CannotEvaluate) else None


def _compile_text(text: str, filters: Mapping[str, CustomFilter]) -> "Compiled | CannotEvaluate":
    from jinja2.exceptions import TemplateSyntaxError

    from evolve.core.templating.compiler import compile_template
    from evolve.core.templating.filters import FILTERS
    from evolve.core.templating.syntax import parse, syntax_error

    if len(text) > _MAX_SOURCE:
        return CannotEvaluate(f"template: longer than {_MAX_SOURCE:,} characters")
    try:
        return compile_template(parse(text), {**FILTERS, **filters})
    except TemplateSyntaxError as exc:
        return CannotEvaluate(f"template line {exc.lineno}: {syntax_error(exc)}")
    except RecursionError:
        return CannotEvaluate("template: nested too deeply")


class _Plain:
    """A template of text and `{{ name.member }}` only."""

    __slots__ = ("_parts",)

    def __init__(self, parts: list[str | tuple[str, ...]]) -> None:
        self._parts = parts

    def render(self, variables: Mapping[str, JsonValue], env: Mapping[str, Value], strict: bool) -> str:
        return from_units(
            "".join([part if type(part) is str else _look_up(part, variables, env, strict) for part in self._parts])
        )


def _plain(text: str) -> _Plain | None:
    """Return the template when it is a plain one; None when it needs the whole grammar."""
    parts: list[str | tuple[str, ...]] = []
    for index, piece in enumerate(_PLAIN_TAG.split(text)):
        if index % 2:
            path = tuple(piece.split("."))
            if path[0] in _RESERVED:
                return None
            parts.append(path)
        elif has_tags(piece) or (piece.endswith("{") and index < len(text)):
            return None
        elif piece:
            parts.append(piece)
    return _Plain(parts)


def _look_up(
    path: tuple[str, ...] | str, variables: Mapping[str, JsonValue], env: Mapping[str, Value], strict: bool
) -> str:
    name = path[0]
    value: Value = variables.get(name, UNDEFINED)
    if value is UNDEFINED:
        value = env.get(name, UNDEFINED)
    if len(path) > 1:
        from evolve.core.javascript.members import get_member

        for depth, key in enumerate(path[1:], 1):
            if value is UNDEFINED and strict:
                _not_defined(".".join(path[:depth]), variables)
            value = get_member(value, key)
    if type(value) is str:
        return value
    if value is None:
        return ""
    if isinstance(value, JsFunction):
        raise CannotEvaluate(f"template: `{'.'.join(path)}` is a function: call it")
    if value is UNDEFINED:
        return _not_defined(".".join(path), variables) if strict else ""
    return to_js_string(value)


def _not_defined(shown: str, variables: Mapping[str, JsonValue]) -> str:
    raise _template_error("template", f"`{shown}` is not defined", variables)


def _template_error(where: str, message: str, variables: Mapping[str, JsonValue]) -> CannotEvaluate:
    """Return the error; for an undefined name with the variable that it resembles."""
    found = re.match(r"`(\w+)[^`]*` is not defined$", message)
    if not found:
        return CannotEvaluate(f"{where}: {message}")
    meant = None if found[1] in variables else closest_variable(found[1], variables)
    hint = f"; did you mean `{meant}`?" if meant else ""
    return UndefinedVariable(f"{where}: {message}{hint}", found[1], meant)


def _json_or_none(text: str) -> tuple[JsonValue] | None:
    """Return the parsed text in a tuple; None when it is not JSON."""
    start = text.lstrip()[:1]
    if not start or start not in '{["-0123456789tfn':
        return None
    try:
        return (json.loads(text, parse_constant=_refuse_constant),)
    except (ValueError, RecursionError):
        return None


def _refuse_constant(name: str) -> JsonValue:
    raise ValueError(name)


@lru_cache(maxsize=1_024)  # the same prompts and variables are rendered for every test
def _is_half_tagged(text: str) -> bool:
    """Return whether a tag does not end on its line; promptfoo then takes the whole text as raw."""
    return bool(_HALF_TAG.search(text)) and not (_RAW.search(text) and _END_RAW.search(text))


def _insert_first(value: str, variables: Mapping[str, JsonValue]) -> str | None:
    """Return the text with its first plain tag replaced; None when it has none, or the variable is unknown."""
    found = _NESTED.search(value)
    if not found or found[1] not in variables:
        return None
    before, after = value[: found.start()], value[found.end() :]
    special = {"$": "$", "&": found[0], "`": before, "'": after}
    inserted = _REPLACEMENT.sub(lambda mark: special[mark[1]], to_js_string(variables[found[1]]))
    return before + inserted + after


def _names_unknown(text: str, variables: Mapping[str, JsonValue]) -> bool:
    """Return whether the text of a variable names an unknown variable; promptfoo then does not render it."""
    return any(name not in variables and name != "env" for name in _root_names(text))


@lru_cache(maxsize=1_024)  # as above
def _root_names(text: str) -> frozenset[str]:
    text = _COMMENT.sub("", text)
    names = {found[1] or found[2] for found in _REFERENCE.finditer(text)}
    for found in _FOR.finditer(text):
        names.discard(found[1])
        names.add(found[2])
    roots = (re.match(r"[A-Za-z_]\w*", name, re.A) for name in names)
    return frozenset(root[0] for root in roots if root)
