"""Jinja2's parser, extended by Nunjucks' grammar.

That is `===`, regular expressions, `elseif`, `switch`, nested raw blocks, JavaScript's string escapes and precedence.
Tags that Nunjucks lacks are refused by name.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from jinja2 import lexer as jinja_lexer
from jinja2 import nodes
from jinja2.environment import Environment
from jinja2.exceptions import TemplateSyntaxError
from jinja2.lexer import Lexer, Token
from jinja2.parser import Parser
from jinja2.sandbox import SandboxedEnvironment

from evolve.core.javascript.values import JsRegex

# What Nunjucks' lexer takes as a name: anything but its delimiters and operators, also letters of other scripts.
_NAME: Final = re.compile(r"""[^\s"'()\[\]{}%*\-+~/#,:|.<>=!0-9][^\s"'()\[\]{}%*\-+~/#,:|.<>=!]*""")
_REGEX: Final = re.compile(r"r/((?:\\.|[^/\\])*)/([gimy]*)", re.S)
_STRICT: Final = re.compile("===|!==")
_ESCAPE: Final = re.compile(r"\\(.)", re.S)
_ESCAPED: Final = {"n": "\n", "t": "\t", "r": "\r"}
_OPERATORS: Final = {
    "eq": "==",
    "ne": "!=",
    "lt": "<",
    "gt": ">",
    "lteq": "<=",
    "gteq": ">=",
    "===": "===",
    "!==": "!==",
    "add": "+",
    "sub": "-",
    "tilde": "~",
    "mul": "*",
    "div": "/",
}
_RAW_TAG: Final = re.compile(r"\{%-?\s*(end)?(raw|verbatim)\s*-?%\}")
_LITERALS: Final = {"true": True, "false": False, "none": None, "null": None}
_REFUSED: Final = {
    "include": "use a file:// variable or put the text into the prompt",
    "import": "write the macro into the same template",
    "from": "write the macro into the same template",
    "extends": "there is no template folder here",
    "with": "Nunjucks has no such tag; use {% set %}",
    "autoescape": "Nunjucks has no such tag, and nothing is escaped here",
    "print": "Nunjucks has no such tag; use {{ ... }}",
    "asyncEach": "use {% for %}",
    "asyncAll": "use {% for %}",
    "ifAsync": "use {% if %}",
}


@dataclass(frozen=True, slots=True)
class Switch:
    """A `switch` block; an empty case falls through to the next."""

    subject: nodes.Expr
    cases: list[tuple[nodes.Expr, list[Any]]]
    default: list[Any] = field(default_factory=list)
    lineno: int = 1


class _Lexer(Lexer):
    """Splits templates into the tokens that Nunjucks has."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        rule = jinja_lexer._Rule
        extra = [rule(_REGEX, "regex", None), rule(_STRICT, "strict", None), rule(_NAME, "name", None)]
        for state in ("variable_begin", "block_begin"):
            self.rules[state] = [*self._without_names(state)[:2], *extra, *self._without_names(state)[2:]]

    def _without_names(self, state: str) -> list[Any]:
        return [rule for rule in self.rules[state] if rule.tokens != "name"]

    def wrap(self, stream: Iterable[tuple[int, str, str]], name: Any = None, filename: Any = None) -> Iterator[Token]:
        plain: list[tuple[int, str, str]] = []
        for line, token, text in stream:
            if token not in ("string", "regex", "strict", "name", "data"):
                plain.append((line, token, text))
                continue
            yield from super().wrap(plain, name, filename)
            plain = []
            yield Token(line, text if token == "strict" else token, self._value(token, text))
        yield from super().wrap(plain, name, filename)

    @staticmethod
    def _value(token: str, text: str) -> Any:
        if token == "string":
            return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), text[1:-1])
        if token == "regex":
            found = _REGEX.match(text)
            return JsRegex(found[1], found[2]) if found else JsRegex("")
        return text


class _Parser(Parser):
    """Nunjucks' grammar; each level of operators is a method, loosest first."""

    def parse_statement(self) -> Any:
        token = self.stream.current
        if token.value in _REFUSED:
            self.fail(f"the tag {token.value!r} is not supported: {_REFUSED[token.value]}", token.lineno)
        if token.value == "switch":
            return self._parse_switch()
        return super().parse_statement()

    def parse_if(self) -> nodes.If:
        node = nodes.If(lineno=next(self.stream).lineno)
        node.test = self.parse_expression()
        node.body = self.parse_statements(("name:elif", "name:elseif", "name:else", "name:endif"))
        node.elif_, node.else_ = [], []
        if self.stream.current.test_any("name:elif", "name:elseif"):
            node.else_ = [self.parse_if()]
        elif next(self.stream).value == "else":
            node.else_ = self.parse_statements(("name:endif",), drop_needle=True)
        return node

    def parse_for(self) -> nodes.For:
        lineno = next(self.stream).lineno
        target = self.parse_assign_target(extra_end_rules=("name:in",))
        self.stream.expect("name:in")
        items = self.parse_expression()
        body = self.parse_statements(("name:endfor", "name:else"))
        otherwise: list[nodes.Node] = []
        if next(self.stream).value == "else":
            otherwise = self.parse_statements(("name:endfor",), drop_needle=True)
        return nodes.For(target, items, body, otherwise, None, False, lineno=lineno)

    def _parse_switch(self) -> Any:
        lineno = next(self.stream).lineno
        subject = self.parse_expression()
        tags = ("name:case", "name:default", "name:endswitch")
        self.parse_statements(tags)
        switch = Switch(subject, [], lineno=lineno)
        while next(self.stream).value == "case":
            condition = self.parse_expression()
            switch.cases.append((condition, self.parse_statements(tags)))
            if self.stream.current.value != "case":
                break
        token = self.stream.current
        if token.value == "default":
            next(self.stream)
            switch.default.extend(self.parse_statements(("name:endswitch",), drop_needle=True))
        elif token.value == "endswitch":
            next(self.stream)
        return switch

    def parse_expression(self, with_condexpr: bool = True) -> nodes.Expr:  # noqa: ARG002  # the base class has it
        lineno = self.stream.current.lineno
        node = self.parse_or()
        if not self.stream.skip_if("name:if"):
            return node
        test = self.parse_or()
        otherwise = self.parse_or() if self.stream.skip_if("name:else") else None
        return nodes.CondExpr(test, node, otherwise, lineno=lineno)

    def parse_tuple(
        self,
        simplified: bool = False,
        with_condexpr: bool = True,
        extra_end_rules: tuple[str, ...] | None = None,
        explicit_parentheses: bool = False,
        with_namespace: bool = False,
    ) -> Any:
        """Return the expression here; parentheses around it become a tuple, also around a single one.

        Args:
            simplified: parse only names, as in the targets of a loop.
            with_condexpr: as in Jinja2; Nunjucks always allows `if` in expressions.
            extra_end_rules: tokens that end the tuple.
            explicit_parentheses: the caller has read an opening parenthesis.
            with_namespace: as in Jinja2.
        """
        if simplified:
            return super().parse_tuple(True, with_condexpr, extra_end_rules, explicit_parentheses, with_namespace)
        if not explicit_parentheses:
            return self.parse_expression()
        group = super().parse_tuple(False, with_condexpr, extra_end_rules, True)
        # Kept as a node even around one expression: parentheses end the chains of operators.
        return group if isinstance(group, nodes.Tuple) else nodes.Tuple([group], "load", lineno=group.lineno)

    def parse_not(self) -> nodes.Expr:
        if not self.stream.current.test("name:not"):
            return self._parse_in()
        next(self.stream)
        return _negate(self.parse_not())

    def _parse_in(self) -> nodes.Expr:
        node = self._parse_is()
        while True:
            lineno = self.stream.current.lineno
            inverted = self.stream.current.test("name:not") and self.stream.look().test("name:in")
            if inverted:
                next(self.stream)
            if not self.stream.skip_if("name:in"):
                return node
            node = nodes.Compare(node, [nodes.Operand("in", self._parse_is())], lineno=lineno)
            node = nodes.Not(node, lineno=lineno) if inverted else node

    def _parse_is(self) -> nodes.Expr:
        node = self.parse_compare()
        if not self.stream.current.test("name:is"):
            return node
        lineno = next(self.stream).lineno
        inverted = self.stream.skip_if("name:not")
        name = self.stream.expect("name").value
        arguments = self.parse_call_args() if self.stream.current.type == "lparen" else ([], [], None, None)
        test = nodes.Test(node, {"none": "null"}.get(name, name), *arguments, lineno=lineno)
        return nodes.Not(test, lineno=lineno) if inverted else test

    # Nunjucks writes operators into JavaScript without parentheses. So JavaScript's precedence counts, not the order
    # in which Nunjucks parses: a chain of one level is read from left to right.

    def parse_compare(self) -> nodes.Expr:
        return self._chain(("==", "!=", "===", "!=="), self._parse_relation)

    def _parse_relation(self) -> nodes.Expr:
        return self._chain(("<", ">", "<=", ">="), self._parse_sum)

    def _parse_sum(self) -> nodes.Expr:
        return self._chain(("+", "-", "~"), self._parse_product)

    def _chain(self, operators: tuple[str, ...], operand: Callable[[], nodes.Expr]) -> nodes.Expr:
        lineno = self.stream.current.lineno
        node, rest = operand(), []
        while _OPERATORS.get(self.stream.current.type) in operators:
            operator = _OPERATORS[next(self.stream).type]
            rest.append(nodes.Operand(operator, operand()))
        return nodes.Compare(node, rest, lineno=lineno) if rest else node

    def _parse_product(self) -> nodes.Expr:
        lineno = self.stream.current.lineno
        flat = [*self._parse_quotient()]
        while self.stream.current.type in ("mul", "div"):
            operator = _OPERATORS[next(self.stream).type]
            (_, first), *rest = self._parse_quotient()
            flat += [(operator, first), *rest]
        return _flat_chain(flat, lineno)

    def _parse_quotient(self) -> list[tuple[str, nodes.Expr]]:
        """Return a `%` chain, to splice into the product around it; or one rounded quotient of such chains."""
        lineno = self.stream.current.lineno
        flat = self._parse_remainders()
        while self.stream.current.type == "floordiv":
            next(self.stream)
            (_, first), *rest = self._parse_remainders()
            quotient = _flat_chain([*flat, ("/", first), *rest], lineno)
            flat = [("", nodes.FloorDiv(quotient, nodes.Const(1), lineno=lineno))]
        return flat

    def _parse_remainders(self) -> list[tuple[str, nodes.Expr]]:
        flat = [("", self._parse_power())]
        while self.stream.current.type == "mod":
            next(self.stream)
            flat.append(("%", self._parse_power()))
        return flat

    def _parse_power(self) -> nodes.Expr:
        node = self.parse_unary()
        while self.stream.current.type == "pow":
            lineno = next(self.stream).lineno
            node = nodes.Pow(node, self.parse_unary(), lineno=lineno)
        return node

    def parse_unary(self, with_filter: bool = True) -> nodes.Expr:
        token = self.stream.current
        node: Any
        if token.type in ("sub", "add"):
            next(self.stream)
            kind = nodes.Neg if token.type == "sub" else nodes.Pos
            node = kind(self.parse_unary(False), lineno=token.lineno)
        else:
            node = self.parse_postfix(self.parse_primary())
        return self.parse_filter(node) if with_filter else node  # type: ignore[return-value]

    def parse_primary(self, with_namespace: bool = False) -> Any:  # noqa: ARG002  # the base class has it
        token = self.stream.current
        if token.type == "name":
            next(self.stream)
            if token.value in _LITERALS:
                return nodes.Const(_LITERALS[token.value], lineno=token.lineno)
            return nodes.Name(token.value, "load", lineno=token.lineno)
        if token.type in ("string", "regex"):
            next(self.stream)
            return nodes.Const(token.value, lineno=token.lineno)
        return super().parse_primary()

    def parse_subscribed(self) -> nodes.Expr:
        node = self.parse_expression()
        if self.stream.current.type == "colon":
            self.fail("slices are not supported: use .slice(from, to)")
        return node

    def parse_assign_target(self, *args: Any, **options: Any) -> Any:
        options.pop("with_namespace", None)
        return super().parse_assign_target(*args, **options)

    def parse(self) -> nodes.Template:
        return nodes.Template(self.subparse(), lineno=1)


class _Environment(SandboxedEnvironment):
    """The grammar; templates are compiled by `compiler`, not by Jinja2."""

    def __init__(self) -> None:
        super().__init__(keep_trailing_newline=True, autoescape=False)
        self._nunjucks_lexer = _Lexer(self)

    @property
    def lexer(self) -> Lexer:
        return self._nunjucks_lexer

    def parse_nunjucks(self, source: str) -> nodes.Template:
        return _Parser(self, source).parse()


def _flat_chain(flat: list[tuple[str, nodes.Expr]], lineno: int) -> nodes.Expr:
    (_, first), *rest = flat
    return nodes.Compare(first, [nodes.Operand(op, node) for op, node in rest], lineno=lineno) if rest else first


def _negate(node: nodes.Expr) -> nodes.Expr:
    """Put `!` in front of an expression's JavaScript: it applies to the first operand of a chain, as in `!a == b`."""
    if isinstance(node, nodes.Compare) and node.ops[0].op != "in":
        return nodes.Compare(_negate(node.expr), node.ops, lineno=node.lineno)
    return nodes.Not(node, lineno=node.lineno)


_environment: list[_Environment] = []


def parse(source: str) -> nodes.Template:
    """Return the template's syntax tree.

    Raises:
        TemplateSyntaxError: the template is not well-formed.
        RecursionError: it is nested too deeply.
    """
    if not _environment:
        _environment.append(_Environment())
    folded, restore = _fold(source)
    tree = _environment[0].parse_nunjucks(folded)
    if folded is not source:
        for data in tree.find_all(nodes.TemplateData):
            data.data = restore(data.data)
        for constant in tree.find_all(nodes.Const):
            if isinstance(constant.value, str):
                constant.value = restore(constant.value)
    return tree


def _fold(source: str) -> tuple[str, Any]:
    """Return the source in a form that Jinja2's lexer keeps, and a function that restores the texts of the tree.

    Carriage returns become another white space, because the lexer would drop them; raw blocks become markers, because
    they nest in Nunjucks. Markers use private characters that the source does not have.
    """
    blocks: list[str] = []
    mark = next(chr(code) for code in range(0xE000, 0xF8FF) if chr(code) not in source)
    folded = _fold_raw(source, mark, blocks) if "raw" in source or "verbatim" in source else source
    carriage = ""
    if "\r" in folded:
        carriage = next((char for char in "\x1c\x1d\x1e\x1f\x85" if char not in folded), "")
        folded = folded.replace("\r", carriage) if carriage else folded

    def restore(text: str) -> str:
        text = text.replace(carriage, "\r") if carriage else text
        return re.sub(f"{mark}(\\d+){mark}", lambda found: blocks[int(found[1])], text) if blocks else text

    return folded, restore


def _fold_raw(source: str, mark: str, blocks: list[str]) -> str:
    parts, position = [], 0
    for opening, closing in _raw_blocks(source):
        blocks.append(source[opening.end() : closing.start()])
        parts += [source[position : opening.end()].replace("verbatim", "raw", 0)]
        parts[-1] = source[position : opening.start()] + opening[0].replace("verbatim", "raw")
        parts.append(f"{mark}{len(blocks) - 1}{mark}" + closing[0].replace("verbatim", "raw"))
        position = closing.end()
    return "".join([*parts, source[position:]]) if parts else source


def _raw_blocks(source: str) -> Iterator[tuple[re.Match[str], re.Match[str]]]:
    """Yield the opening and closing tags of the outermost raw blocks."""
    opening: re.Match[str] | None = None
    depth = 0
    for tag in _RAW_TAG.finditer(source):
        if opening is None:
            if not tag[1]:
                opening, depth = tag, 1
        elif tag[2] == opening[2]:
            depth += -1 if tag[1] else 1
            if not depth:
                yield opening, tag
                opening = None


def syntax_error(exc: TemplateSyntaxError) -> str:
    """Return what is wrong, in one line, without the library's name."""
    return (
        (exc.message or "not well-formed").replace("Jinja was", "The parser was").replace("Jinja is", "The parser is")
    )


def refuse(message: str, lineno: int) -> NoReturn:
    """Raise the error of a template that is not well-formed."""
    raise TemplateSyntaxError(message, lineno)
