"""`bfcl:NAME?size=20&seed=1&split=test`: tests of the Berkeley Function Calling Leaderboard (BFCL), version 4.

They are read from the data files of the package bfcl-eval, which is never imported: it would need the clients of a
dozen services, in versions that cannot be installed next to ours.
"""

import importlib.util
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from evolve.core.model.errors import InputError, Problem
from evolve.store.test_sources._options import SourceName, read_name

VERSION: Final = "2026.3.23"
"""Of bfcl-eval: other versions have other tests."""
_SETS: Final = (
    "multiple", "irrelevance", "simple_python", "parallel", "parallel_multiple", "live_multiple", "live_irrelevance",
    "live_simple", "live_parallel", "live_parallel_multiple",
)  # fmt: skip
"""Sets of one question each whose calls are compared as data; others run code or are in other languages."""
_KEYS: Final = ("size", "seed", "split")
_JSON_TYPES: Final = {"dict": "object", "float": "number", "tuple": "array"}
"""Its words for types, and JSON Schema's; `any` has none."""
_FAMILY_CHARS: Final = 120


def read_tests(name: str, env: Mapping[str, str]) -> list[dict[str, Any]]:  # noqa: ARG001  # as every source
    """Return the tests of one set: all, the first `size`, or with `seed` so many chosen at random.

    The vars are `question` and `tools` (in OpenAI's form, dots in names as underscores); the assertion is
    `function-calls`. Tests with the same functions are one family.

    Raises:
        InputError: an unknown set or option, or the package is not installed.
    """
    found = read_name(name, _SETS, _KEYS)
    folder = _data_folder(found)
    file = f"BFCL_v4_{found.part}.json"
    answers = {row["id"]: row["ground_truth"] for row in _rows(folder / "possible_answer" / file)}
    return [_test(row, answers.get(row["id"], []), found) for row in _chosen(_rows(folder / file), found)]


def _data_folder(name: SourceName) -> Path:
    spec = importlib.util.find_spec("bfcl_eval")
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        raise name.problem("the package bfcl-eval is not installed", "type: ./bootstrap.sh bench")
    return Path(next(iter(folders))) / "data"


def _rows(file: Path) -> list[dict[str, Any]]:
    if not file.is_file():
        if file.parent.name == "possible_answer":  # questions that no function answers
            return []
        raise InputError(Problem(f"{file}: no such file; is bfcl-eval {VERSION} installed? (./bootstrap.sh bench)"))
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]


def _chosen(rows: Sequence[dict[str, Any]], name: SourceName) -> Sequence[dict[str, Any]]:
    size, seed = name.number("size", 1), name.number("seed")
    if seed is None:
        return rows[:size]
    return random.Random(seed).sample(rows, min(len(rows) if size is None else size, len(rows)))


def _test(row: Mapping[str, Any], answers: list[Any], name: SourceName) -> dict[str, Any]:
    functions = row["function"]
    needed = {function["name"]: function["parameters"].get("required", []) for function in functions}
    calls = [_allowed(call, needed) for call in answers]
    metadata: dict[str, Any] = {
        "family": f"bfcl {' '.join(sorted(needed))}"[:_FAMILY_CHARS],
        "source": f"bfcl-eval {VERSION} {row['id']}",
        "accepted": [{"calls": [_first_answer(call) for call in calls]}],
    }
    return {
        "description": row["id"],
        "vars": {"question": _question(row["question"][0]), "tools": [_tool(function) for function in functions]},
        "options": {"disableVarExpansion": True},
        "assert": [{"type": "function-calls", "value": calls, "metric": "accuracy"}],
        "metadata": metadata | ({"split": name.split} if name.split else {}),
    }


def _question(messages: Sequence[Mapping[str, str]]) -> str:
    if len(messages) == 1:
        return messages[0]["content"]
    return "\n\n".join(f"{message['role']}: {message['content']}" for message in messages)


def _allowed(call: Mapping[str, Any], needed: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return a call with its allowed values; what a function requires may not be left out, whatever they say."""
    ((function, arguments),) = call.items()
    required = needed.get(function, ())
    return {
        _plain(function): {
            key: [value for value in values if value != ""] or values if key in required else values
            for key, values in arguments.items()
        }
    }


def _first_answer(call: Mapping[str, Mapping[str, Sequence[Any]]]) -> dict[str, Any]:
    """Return the shortest right call: each argument's first value, without those that may be left out."""
    ((name, arguments),) = call.items()
    return {"name": name, "arguments": {key: _first(values) for key, values in arguments.items() if "" not in values}}


def _first(values: Sequence[Any]) -> Any:
    """Return the first allowed value; a mapping in it has lists of allowed values too, or values as they are."""
    value = values[0] if values else []
    if isinstance(value, dict):
        allowed = {key: inner if isinstance(inner, list) and inner else [inner] for key, inner in value.items()}
        return {key: _first(inner) for key, inner in allowed.items() if "" not in inner}
    if isinstance(value, list):
        return [_first([item]) if isinstance(item, dict) else item for item in value]
    return value


def _tool(function: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": _plain(function["name"]),
            "description": function["description"],
            "parameters": _json_schema(function["parameters"]),
        },
    }


def _plain(name: str) -> str:
    """Return a name that OpenAI's protocol accepts."""
    return name.replace(".", "_")


def _json_schema(schema: Any) -> Any:
    """Return the schema with JSON Schema's words for types."""
    if isinstance(schema, list):
        return [_json_schema(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _json_schema(value) for key, value in schema.items()}
    kind = made.get("type")
    if kind == "any":
        del made["type"]
    elif isinstance(kind, str):
        made["type"] = _JSON_TYPES.get(kind, kind)
    return made
