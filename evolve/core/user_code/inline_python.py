"""Python code inside a suite: an expression on one line, or a function body of several lines."""

import ast
import re
import textwrap
import warnings
from types import CodeType

from evolve.core.model.errors import CannotEvaluate

ONE_LINE_RETURN = re.compile(r"\s*return\b")
RETURN_PROBLEM = "SyntaxError: code of one line is an expression; leave out `return`"


def compile_inline(code: str, names: tuple[str, ...]) -> CodeType:
    """Return a module that defines `_inline` with the code as its body; line numbers stay those of the code.

    Raises:
        CannotEvaluate: the code is not valid Python.
    """
    body = textwrap.dedent(code).strip()
    try:
        module = ast.parse(f"def _inline({', '.join(names)}): pass")
        function = module.body[0]
        assert isinstance(function, ast.FunctionDef)
        function.body = _statements(body) or function.body
        return compile(ast.fix_missing_locations(module), "<inline Python>", "exec")
    except SyntaxError as error:
        raise CannotEvaluate(f"not Python, line {error.lineno or 1}: {error.msg}") from error
    except ValueError as error:
        raise CannotEvaluate(f"not Python: {error}") from error


def python_problem(code: str) -> str | None:
    """Return why code is not valid Python, or None; the code is not run."""
    if "\n" not in code and ONE_LINE_RETURN.match(code):
        return RETURN_PROBLEM
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape is reported when the code runs
            compile_inline(code, ())
    except CannotEvaluate as error:
        return str(error)
    return None


def _statements(body: str) -> list[ast.stmt]:
    try:
        expression = ast.parse(body, mode="eval").body
    except SyntaxError:
        return ast.parse(body).body
    return [ast.copy_location(ast.Return(expression), expression)]
