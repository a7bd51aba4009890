"""Runs functions and inline code of a user's Python, in this process."""

import hashlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import CodeType, ModuleType
from typing import Any

from evolve.core.model.errors import CannotEvaluate, InputError, Location, Problem
from evolve.core.model.js_result import JsResult
from evolve.core.model.node_calls import NodeCall
from evolve.core.model.suite import ScriptRef
from evolve.core.suites.safe_mode import refuse_code
from evolve.core.text.did_you_mean import did_you_mean
from evolve.core.user_code.inline_python import compile_inline
from evolve.store.node_scripts import NodeScripts


class LocalScripts:
    """Implements `evolve.core.model.ports.Scripts`; a module is imported once, with its folder on `sys.path`.

    Args:
        env: the environment of JavaScript in Node; None for the process's own.
    """

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        self.node = NodeScripts(env)
        self._modules: dict[str, ModuleType] = {}
        self._compiled: dict[tuple[str, tuple[str, ...]], CodeType] = {}

    def function(self, ref: ScriptRef, default: str) -> Callable[..., Any]:
        """Return the named function, or the one called `default`; `Class.method` names work.

        Raises:
            InputError: no such file or function, or the module cannot be imported.
        """
        name = ref.function or default
        found: Any = self._module(ref.path)
        for part in name.split("."):
            if not hasattr(found, part):
                raise InputError(_no_function(ref.path, name, found))
            found = getattr(found, part)
        if not callable(found):
            raise InputError(Problem(f"{name} is not a function", Location(ref.path)))
        return found  # type: ignore[no-any-return]

    def run(self, code: str, names: Mapping[str, object]) -> object:
        """Return the value of an inline expression, or of the `return` of an inline function body.

        Raises:
            CannotEvaluate: the code is wrong or raised.
        """
        key = (code, tuple(names))
        if key not in self._compiled:
            self._compiled[key] = compile_inline(code, tuple(names))
        scope: dict[str, Any] = {"__name__": "suite_inline"}
        exec(self._compiled[key], scope)
        try:
            return scope["_inline"](**names)
        except (Exception, SystemExit) as error:
            raise CannotEvaluate(f"the Python code raised {type(error).__name__}: {error}") from error

    def _module(self, path: str) -> ModuleType:
        if path not in self._modules:
            self._modules[path] = _import(path)
        return self._modules[path]


def _import(path: str) -> ModuleType:
    # The hash keeps files of one name in different folders apart; 12 digits of it are enough.
    name = f"suite_script_{hashlib.sha256(path.encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not os.path.isfile(path):
        raise InputError(Problem(f"no such Python file: {path}"))
    folder = os.path.dirname(path)
    if folder not in sys.path:
        sys.path.append(folder)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look up their module there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        sys.modules.pop(name, None)
        raise InputError(_import_problem(path, error)) from error
    return module


def _import_problem(path: str, error: BaseException) -> Problem:
    if isinstance(error, SyntaxError):
        return Problem(f"not Python: {error.msg}", Location(error.filename or path, error.lineno, error.offset))
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    where = Location(path, frames[-1].lineno if frames else None)
    message = f"importing it raised {type(error).__name__}: {error}"
    if isinstance(error, ModuleNotFoundError) and _is_not_installed(error.name or ""):
        return Problem(message, where, f"it is not installed for {sys.executable}", is_missing_here=True)
    return Problem(message, where)


def _is_not_installed(module: str) -> bool:
    """Return whether nothing of a module's package is there; else a name in it is wrong."""
    package = module.partition(".")[0]
    return bool(package) and package not in sys.modules and importlib.util.find_spec(package) is None


def _no_function(path: str, name: str, found: Any) -> Problem:
    known = [other for other in vars(found) if not other.startswith("_") and callable(getattr(found, other, None))]
    hint = did_you_mean(name.rpartition(".")[2], known) or (
        f"it has {', '.join(known[:8])}" if known else "it has no functions"
    )
    return Problem(f"there is no function {name!r}", Location(path), hint)


class RefusingNode(NodeScripts):
    """Starts no Node: every file and every code that needs it is a problem."""

    async def result(self, call: NodeCall) -> JsResult:
        """Raise InputError."""
        return self.result_now(call)

    def result_now(self, _: NodeCall) -> JsResult:
        """Raise InputError."""
        raise InputError(refuse_code("JavaScript in Node.js"))

    def problems(self, path: str) -> Sequence[Problem]:
        """Return one problem: the file is not run."""
        return (refuse_code(path),)

    def code_problems(self, _code: str, _folder: str, where: Location | None) -> Sequence[Problem]:
        """Return one problem: the code is not run."""
        return (replace(refuse_code("JavaScript in Node.js"), where=where),)


class RefusingScripts(LocalScripts):
    """Runs no Python of a suite: every call is an InputError that names the file.

    Args:
        own_files: paths of this package, whose functions run.
    """

    def __init__(self, own_files: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self.node = RefusingNode()
        self._own_files = own_files

    def function(self, ref: ScriptRef, default: str) -> Callable[..., Any]:
        """Return a function of this package's own files; raise InputError for all others."""
        if ref.path not in self._own_files:
            raise InputError(refuse_code(ref.path))
        return super().function(ref, default)

    def run(self, _code: str, _names: Mapping[str, object]) -> object:
        """Raise InputError: inline Python runs as the user too."""
        raise InputError(refuse_code("inline Python"))
