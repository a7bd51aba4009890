"""Prompts from the text, the files and the functions that a suite names."""

import contextlib
import csv
import io
import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from evolve.core.formats.yaml12 import parse_yaml
from evolve.core.javascript.node_needs import JAVASCRIPT_SUFFIXES
from evolve.core.javascript.values import to_json
from evolve.core.model.errors import InputError, Location, Problem
from evolve.core.model.suite import Prompt, ScriptRef
from evolve.store.files import LocalFiles
from evolve.store.refused_sources import refused_source

_SUFFIXES = (".txt", ".md", ".json", ".jsonl", ".yaml", ".yml", ".csv", ".j2")
_SCRIPTS = (".py", *JAVASCRIPT_SUFFIXES)
_MAGIC = re.compile(r"[*?\[]")


def read_prompts(entry: str | Mapping[str, Any], files: LocalFiles) -> list[Prompt]:
    """Return the prompts of one entry: text, `file://...` (also a glob or `x.py:name`), or a mapping with raw or id.

    Text that looks like a path is a file if that exists; promptfoo would refuse other text with slashes in it.

    Raises:
        InputError: the file is missing, has no prompt, or cannot be read.
    """
    if isinstance(entry, str):
        entry = {"raw": entry}
    raw = entry.get("raw") or entry.get("id")
    if not isinstance(raw, str):
        raise InputError(
            Problem("a prompt needs text: raw, or id with a file", hint="for example `raw: Answer {{question}}`")
        )
    if raw.startswith("exec:"):
        return [_executable(raw.removeprefix("exec:"), entry, files)]
    refused = refused_source(raw)
    if refused:
        raise InputError(Problem(f"not supported by Anneal: prompts from {refused}", hint="use a file or a function"))
    config = entry.get("config") or {}
    named = _files_of(raw, files)
    if named is None:
        return [Prompt(raw, entry.get("label") or raw, config, id=entry.get("id"))]
    prompts = [
        prompt for path, function in named for prompt in _read(path, function, entry.get("label"), config, files)
    ]
    if not prompts:
        raise InputError(Problem(f"there are no prompts in {raw}"))
    return prompts


def _files_of(raw: str, files: LocalFiles) -> list[tuple[str, str | None]] | None:
    """Return the files that an entry names, each with a function; None when it is plain text."""
    if _is_web_file(raw):
        return [(files.fetch(raw), None)]
    is_file = raw.startswith("file://")
    path, function = split_function(raw.removeprefix("file://"))
    if "\n" in raw or not (is_file or _looks_like_file(path)):
        return None
    if _MAGIC.search(path):
        found = [(match, function) for match in files.glob(path)]
        if is_file and not found:
            raise InputError(Problem(f"no file matches {path}"))
        return found or None
    if is_file or files.exists(path):
        return [(files.resolve(path), function)]
    if path.endswith((*_SUFFIXES, *_SCRIPTS)) and " " not in path:
        raise InputError(
            Problem(f"no such file: {path}", hint="if it is meant as the prompt itself, write a longer text")
        )
    return None


def _is_web_file(raw: str) -> bool:
    """Return whether an entry is the address of a file with prompts, and not a text that begins with an address."""
    if not raw.startswith(("https://", "http://")) or re.search(r"[\s{]", raw):
        return False
    return urlsplit(raw).path.lower().endswith(_SUFFIXES)


def _executable(command: str, entry: Mapping[str, Any], files: LocalFiles) -> Prompt:
    """Return the prompt that a program prints; its name is a file of the suite or a command of the machine."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise InputError(Problem(f"exec:{command}: {error}")) from None
    if not words:
        raise InputError(Problem("exec: names no program", hint="for example `exec:./prompt.sh`"))
    config = entry.get("config") or {}
    text = command
    if files.exists(words[0]):
        words[0] = files.resolve(words[0])
        if not os.access(words[0], os.X_OK):
            raise InputError(Problem(f"{files.shown(words[0])} cannot be executed", hint=f"chmod +x {words[0]}"))
        with contextlib.suppress(InputError):  # a program that is not text has its command as text
            text = files.read_text(words[0])
    elif shutil.which(words[0]) is None:
        raise InputError(Problem(f"no such program: {words[0]}", hint="a file of the suite, or a command"))
    return Prompt(text, entry.get("label") or command, config, ScriptRef(f"exec:{shlex.join(words)}", None))


def _looks_like_file(path: str) -> bool:
    # A longer text is a prompt that happens to have a slash or an asterisk.
    return len(path) < 300 and (path.endswith((*_SUFFIXES, *_SCRIPTS)) or "/" in path or "*" in path)


def split_function(path: str) -> tuple[str, str | None]:
    """Return `x.py:name` as path and function; the function of any other path is None."""
    before, colon, function = path.rpartition(":")
    return (
        (before, function)
        if colon and before.endswith(_SCRIPTS) and re.fullmatch(r"[\w.]+", function)
        else (path, None)
    )


def _read(
    path: str, function: str | None, label: str | None, config: Mapping[str, Any], files: LocalFiles
) -> Iterator[Prompt]:
    shown = files.shown(path)
    text = files.read_text(path)
    if path.endswith(_SCRIPTS):
        name = label or (f"{shown}:{function}" if function else f"{shown}: {text}" if path.endswith(".py") else shown)
        yield Prompt(text, name, config, ScriptRef(path, function))
    elif path.endswith(".txt"):
        for part in _split_text(text):
            yield Prompt(part, f"{label}: {shown}: {part}" if label else f"{shown}: {part}", config)
    elif path.endswith(".jsonl"):
        yield from _json_lines(text, shown, label, config)
    elif path.endswith(".csv"):
        yield from _table(text, label, config)
    else:
        raw = _data_text(path, text, files) if path.endswith((".json", ".yaml", ".yml")) else text
        if not raw.strip():
            raise InputError(Problem("the file is empty", Location(shown)))
        yield Prompt(raw, label or f"{shown}: {_start(raw, path)}", config)


def _start(raw: str, path: str) -> str:
    """Return as much of a file as promptfoo shows in a label: 80 characters of YAML, 50 of other text."""
    if path.endswith(".json"):
        return raw
    return raw[:80] if path.endswith((".yaml", ".yml")) else f"{raw[:50]}..."


def _split_text(text: str) -> Iterator[str]:
    for part in re.split(r"(?m)^[^\S\n]*---[^\S\n]*$", text.replace("\r\n", "\n")):
        if part.strip():
            yield part.strip()


def _json_lines(text: str, shown: str, label: str | None, config: Mapping[str, Any]) -> Iterator[Prompt]:
    lines = [line for line in re.split(r"\r?\n", text) if line]
    for line in lines:
        name = f"{label or shown}: {line}" if len(lines) > 1 else label or shown
        yield Prompt(line, name, config)


def _table(text: str, label: str | None, config: Mapping[str, Any]) -> Iterator[Prompt]:
    if "," not in text:
        lines = [line for line in re.split(r"\r?\n", text) if line.strip()]
        rows = [{"prompt": line} for line in lines[1 if lines and lines[0].strip().lower() == "prompt" else 0 :]]
    else:
        rows = [{(key or "").strip(): value for key, value in row.items()} for row in csv.DictReader(io.StringIO(text))]
    filled = [row for row in rows if (row.get("prompt") or "").strip()]
    for number, row in enumerate(filled, 1):
        raw = row["prompt"].strip()
        yield Prompt(raw, (row.get("label") or "").strip() or label or f"Prompt {number} - {raw}", config)


def _data_text(path: str, text: str, files: LocalFiles) -> str:
    """Return a data file as compact JSON, the form in which chat messages are sent; other text is not changed."""
    try:
        value = parse_yaml(text, path) if not path.endswith(".json") else json.loads(text)
    except (InputError, ValueError):
        return text
    return to_json(_with_files(value, files))


def _with_files(value: Any, files: LocalFiles) -> Any:
    if isinstance(value, list):
        return [_with_files(part, files) for part in value]
    if isinstance(value, dict):
        return {key: _with_files(part, files) for key, part in value.items()}
    if isinstance(value, str) and value.startswith("file://"):
        return read_data(value.removeprefix("file://"), files)
    return value


def read_data(path: str, files: LocalFiles) -> Any:
    """Return the value of a JSON or YAML file, or the text of any other file."""
    text = files.read_text(path)
    if path.endswith(".json"):
        return parse_json(text, path)
    return parse_yaml(text, path) if path.endswith((".yaml", ".yml")) else text


def parse_json(text: str, file: str) -> Any:
    """Return a JSON file's value; raise InputError with line and column."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(Problem(f"not JSON: {error.msg}", Location(file, error.lineno, error.colno))) from None
    except RecursionError:
        raise InputError(Problem("not JSON: nested too deeply", Location(file))) from None
