"""`file://` in a test's vars: a file's content, or a function that makes the value for each prompt."""

import base64
import mimetypes
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from evolve.core.formats.yaml12 import parse_yaml
from evolve.core.javascript.node_needs import JAVASCRIPT_SUFFIXES
from evolve.core.javascript.values import to_json
from evolve.core.model.errors import InputError, Location, Problem
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import ScriptRef
from evolve.store.files import LocalFiles
from evolve.store.prompts import split_function

_SCRIPTS = (".py", *JAVASCRIPT_SUFFIXES)
_IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".svg", ".tif", ".tiff", ".ico", ".avif", ".heic", ".heif")
_MEDIA = (".mp3", ".wav", ".ogg", ".flac", ".m4a", ".aac", ".mp4", ".webm", ".mov", ".avi", ".mkv", ".m4v", ".opus")
_PREFIX = "file://"


def read_vars(
    given: Mapping[str, JsonValue], is_expanded: bool, files: LocalFiles, locate: Callable[..., Location]
) -> tuple[Mapping[str, JsonValue], Mapping[str, ScriptRef]]:
    """Return vars with their files read, and those that a function in a file makes (as empty text here).

    A glob that finds several files is a list of their texts, which multiplies the test. YAML becomes JSON text, an
    image a data URL, other media base64; any other file is its text without white space around it. Files that texts
    inside mappings and lists name are read too.

    Args:
        given: the vars of a test.
        is_expanded: whether a glob may match several files.
        files: reads files.
        locate: returns the place of a variable, or of a part of it, given the path to it; for messages.

    Raises:
        InputError: there is no such file, or it cannot be read.
    """
    if not any(_names_a_file(value) for value in given.values()):
        return given, {}
    variables = dict(given)
    scripts: dict[str, ScriptRef] = {}
    problems: list[Problem] = []
    for name, value in given.items():
        if isinstance(value, str) and value.startswith(_PREFIX):
            with _located(problems, locate, name):
                script = _script(value, files)
                if script:
                    scripts[name] = script
                variables[name] = "" if script else _contents(name, value, is_expanded, files)
        elif _names_a_file(value):
            variables[name] = _with_contents(value, (name,), _Reading(files, locate, problems))
    if problems:
        raise InputError(problems)
    return variables, scripts


@dataclass(frozen=True, slots=True)
class _Reading:
    """What reading inside of mappings and lists needs."""

    files: LocalFiles
    locate: Callable[..., Location]
    problems: list[Problem]


@contextmanager
def _located(problems: list[Problem], locate: Callable[..., Location], *path: str | int) -> Iterator[None]:
    """Collect problems; those without a place get that of a part of the vars."""
    try:
        yield
    except InputError as error:
        problems += [Problem(part.message, part.where or locate(*path), _explained(part)) for part in error.problems]


def _explained(problem: Problem) -> str:
    """The hint of a problem, and what a text that begins with the prefix means where there is no such file."""
    if not problem.message.startswith(("no such file", "no file matches")):
        return problem.hint
    text = "a value that begins with file:// names a file; to send it as text write {{ 'file:' }}//..."
    return f"{problem.hint}; {text}" if problem.hint else text


def _names_a_file(value: JsonValue) -> bool:
    if isinstance(value, str):
        return value.startswith(_PREFIX)
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_names_a_file(part) for part in parts)


def _with_contents(value: JsonValue, path: tuple[str | int, ...], reading: _Reading) -> JsonValue:
    """Return a mapping or a list with the files that its texts name read."""
    if isinstance(value, dict):
        return {key: _with_contents(part, (*path, key), reading) for key, part in value.items()}
    if isinstance(value, list):
        return [_with_contents(part, (*path, index), reading) for index, part in enumerate(value)]
    if isinstance(value, str) and value.startswith(_PREFIX):
        with _located(reading.problems, reading.locate, *path):
            return _content(value, reading.files)
    return value


def _script(value: str, files: LocalFiles) -> ScriptRef | None:
    path, function = split_function(value.removeprefix(_PREFIX))
    if not path.endswith(_SCRIPTS):
        return None
    if not files.exists(path):
        files.read_text(path)  # raises with the reason
    return ScriptRef(files.resolve(path), function)


def _contents(name: str, value: str, is_expanded: bool, files: LocalFiles) -> JsonValue:
    path = value.removeprefix(_PREFIX)
    if not is_expanded or not any(char in path for char in "*?["):
        return _content(value, files)
    found = files.glob(path)
    if not found:
        raise InputError(Problem(f"no file matches {path}, which the variable {name!r} names"))
    contents: list[JsonValue] = [_content(_PREFIX + match, files) for match in found]
    return contents if len(contents) > 1 else contents[0]


def _content(value: str, files: LocalFiles) -> str:
    if not value.startswith(_PREFIX):
        return value
    path = value.removeprefix(_PREFIX)
    suffix = os.path.splitext(path)[1].lower()
    if suffix in _SCRIPTS:
        raise InputError(
            Problem(f"a function cannot be inside of a mapping or a list: {path}", hint="give it a variable of its own")
        )
    if suffix == ".pdf":
        raise InputError(Problem(f"not supported by Anneal: PDF files ({path})", hint="save the text as a file"))
    if suffix in _IMAGES or suffix in _MEDIA:
        encoded = base64.b64encode(files.read_bytes(path)).decode()
        mime = mimetypes.guess_type(path)[0] or "image/jpeg"
        return f"data:{mime};base64,{encoded}" if suffix in _IMAGES else encoded
    text = files.read_text(path)
    if suffix in (".yaml", ".yml"):
        return to_json(parse_yaml(text, path))
    return text.strip()
