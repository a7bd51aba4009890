"""What a file of code declares and imports: Python by its own parser, other languages by Pygments' tokens."""

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, Final, NamedTuple

_DECLARING: Final = frozenset(
    (
        "class", "def", "fn", "func", "function", "struct", "enum", "trait", "interface", "type", "mod", "module",
        "namespace", "record", "object", "fun", "sub", "proc",
    )
)  # fmt: skip
"""Words after which languages name what they declare."""

_IMPORTING: Final = frozenset(("import", "from", "include", "require"))
"""Words after which languages name a file or package as text."""


class Symbol(NamedTuple):
    """Something that a file declares."""

    kind: str
    name: str
    line: int


class CodeMap(NamedTuple):
    """What is in a file."""

    symbols: tuple[Symbol, ...]
    imports: tuple[str, ...]
    problem: str = ""
    """Why the file could not be parsed."""


NOTHING: Final = CodeMap((), ())


def code_map(name: str, text: str) -> CodeMap:
    """Return what a file declares and imports; nothing for a file that is no code.

    Args:
        name: of the file; its ending says the language.
        text: of the file.
    """
    return _python_map(text) if PurePosixPath(name).suffix in (".py", ".pyi") else _other_map(name, text)


def _python_map(text: str) -> CodeMap:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        return CodeMap((), (), f"no valid Python{f' (line {line})' if line else ''}")
    return CodeMap(tuple(_python_symbols(tree.body, "")), tuple(dict.fromkeys(_python_imports(tree))))


def _python_symbols(body: list[ast.stmt], inside: str) -> Iterator[Symbol]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield Symbol("class", inside + node.name, node.lineno)
            yield from _python_symbols(node.body, f"{inside}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield Symbol("def", inside + node.name, node.lineno)


def _python_imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def _other_map(name: str, text: str) -> CodeMap:
    from pygments import token
    from pygments.lexers import get_lexer_for_filename
    from pygments.util import ClassNotFound

    kinds: Any = token  # its types contain each other, which no annotation can say
    try:
        lexer = get_lexer_for_filename(name)
    except ClassNotFound:
        return NOTHING
    symbols, imports = [], []
    word, line = "", 1
    for kind, value in lexer.get_tokens(text):
        if (kind in kinds.Name and word in _DECLARING) or kind in kinds.Name.Function:
            symbols.append(Symbol(word if word in _DECLARING else "function", value, line))
        elif kind in kinds.Name.Namespace or kind in kinds.Comment.PreprocFile:
            imports.append(value.strip("<>\"'"))
        elif kind in kinds.String and word in _IMPORTING:
            imports.append(value.strip("\"'"))
        if kind not in kinds.Text:
            word = value if kind in kinds.Keyword else ""
        line += value.count("\n")
    return CodeMap(tuple(symbols), tuple(dict.fromkeys(imports)))
