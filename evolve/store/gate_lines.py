"""The lines of a gate log: for each gate one when it is opened and one with its decision; read strictly."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from evolve.core.formats.json_text import parse_json
from evolve.core.formats.schema_check import Kind, Path, compile_schema
from evolve.core.model.errors import CannotEvaluate, InputError, Location, Problem
from evolve.core.search.gate_history import GateRecord, families_hash

_TEXT: Mapping[str, object] = {"type": "string", "minLength": 1}
_COUNT: Mapping[str, object] = {"type": "integer", "minimum": 0}
_COMMON: Mapping[str, object] = {"gate": {"type": "integer", "minimum": 1}, "run": _TEXT}
_OPENED: Mapping[str, object] = {
    **_COMMON,
    "agent": _TEXT,
    "parent": _TEXT,
    "opened": _TEXT,
    "alpha": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
}
_DECIDED: Mapping[str, object] = {
    **_COMMON,
    "decided": _TEXT,
    "candidate": _TEXT,
    "word": {"type": "string", "enum": ["proven", "provisional", "rejected"]},
    "p": {"type": "number", "minimum": 0, "maximum": 1},
    "gain": {"type": "number", "minimum": -1, "maximum": 1},
    "cases": _COUNT,
    "families": {"type": "array", "items": _TEXT},
    "families_hash": _TEXT,
}


_LANE: Mapping[str, object] = {"lane": {"type": "string", "enum": ["cheaper"]}}
"""Only for a gate of the lane of cheaper winners."""
_HARM: Mapping[str, object] = {"new_harm": {"type": "array", "items": _TEXT, "minItems": 1}}
"""Only where there is some: lines of older versions have no such key."""


def _check_of(properties: Mapping[str, object], optional: Mapping[str, object]) -> Any:
    return compile_schema(
        {
            "type": "object",
            "properties": {**properties, **optional},
            "required": list(properties),
            "additionalProperties": False,
        }
    )


_CHECK_OPENED, _CHECK_DECIDED = _check_of(_OPENED, _LANE), _check_of(_DECIDED, _HARM)
_HINT = (
    "gates count 1, 2, 3 ... in the order they were opened: after a merge, give the later ones new numbers; "
    "nothing else is edited"
)


def line_of_opening(gate: GateRecord) -> str:
    """Return the line that opens a gate."""
    return _line(
        gate=gate.number,
        run=gate.run,
        agent=gate.agent,
        parent=gate.parent,
        opened=gate.opened,
        alpha=gate.alpha,
        **({} if gate.lane == "better" else {"lane": gate.lane}),
    )


def line_of_decision(gate: GateRecord) -> str:
    """Return the line that has the decision of a gate."""
    return _line(
        gate=gate.number,
        run=gate.run,
        decided=gate.decided,
        candidate=gate.candidate,
        word=gate.word,
        p=gate.p_value,
        gain=gate.gain,
        cases=gate.cases,
        families=sorted(gate.families),
        families_hash=families_hash(gate.families),
        **({"new_harm": list(gate.new_harm)} if gate.new_harm else {}),
    )


def parse_lines(text: str, file: str) -> list[GateRecord]:
    """Return the gates of a log, in order.

    Raises:
        InputError: a line is not a record, or a number is out of order; with every such line.
    """
    reader = _Reader(file)
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            reader.read(line, number)
    if reader.problems:
        raise InputError(reader.problems)
    return reader.gates


class _Reader:
    """Reads line by line, and collects gates and problems."""

    def __init__(self, file: str) -> None:
        self._file = file
        self.gates: list[GateRecord] = []
        self.problems: list[Problem] = []
        self._written: dict[str, tuple[int, int]] = {}
        """For each run the number of its gate as written, and the right number."""

    def read(self, line: str, number: int) -> None:
        where = Location(self._file, number)
        found = list(self._faults(line))
        if found:
            self.problems += [Problem(message, where, hint) for message, hint in found]
            return
        fields: Any = parse_json(line)
        fault = self._open(fields) if "opened" in fields else self._decide(fields)
        if fault:
            self.problems.append(Problem(fault, where, _HINT))

    def _faults(self, line: str) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with a line by itself, with hints."""
        try:
            fields = parse_json(line)
        except (ValueError, CannotEvaluate) as error:
            yield f"not JSON: {error}", "restore the line from git"
            return
        found: list[tuple[str, str]] = []

        def _report(path: Path, message: str, hint: str = "", _kind: Kind = "value") -> None:
            spot = f"{'.'.join(map(str, path))}: " if path and _kind == "value" else ""
            found.append((f"{spot}{message}", hint))

        is_opening = isinstance(fields, dict) and "opened" in fields
        (_CHECK_OPENED if is_opening else _CHECK_DECIDED)(fields, (), _report)
        yield from found
        if not found and isinstance(fields, dict) and not is_opening:
            families: Any = fields["families"]
            if fields["families_hash"] != families_hash(families):
                yield "families_hash is not the hash of families", "records are not edited; restore the line from git"

    def _open(self, fields: Mapping[str, Any]) -> str:
        number, expected = fields["gate"], len(self.gates) + 1
        if fields["run"] in self._written:
            return f"run {fields['run']} opens a second gate"
        # Go on with the expected number, so that one mistake is reported once.
        self._written[fields["run"]] = (number, expected)
        self.gates.append(
            GateRecord(
                expected,
                fields["run"],
                fields["agent"],
                fields["parent"],
                fields["opened"],
                float(fields["alpha"]),
                lane=fields.get("lane", "better"),
            )
        )
        return "" if number == expected else f"gate {number} is opened where gate {expected} was expected"

    def _decide(self, fields: Mapping[str, Any]) -> str:
        written, number = self._written.get(fields["run"], (0, 0))
        if written != fields["gate"]:
            return f"a decision of gate {fields['gate']} of run {fields['run']}, which was not opened before"
        gate = self.gates[number - 1]
        if gate.word is not None:
            return f"a second decision of gate {written}"
        if fields["word"] == "proven" and fields["p"] > gate.alpha:
            return f"gate {written} is called proven at p = {fields['p']}, above its level {gate.alpha}"
        if fields["word"] == "proven" and fields.get("new_harm"):
            return f"gate {written} is called proven, and its candidate does new harm"
        self.gates[number - 1] = replace(
            gate,
            decided=fields["decided"],
            candidate=fields["candidate"],
            word=fields["word"],
            p_value=float(fields["p"]),
            gain=float(fields["gain"]),
            cases=fields["cases"],
            families=tuple(fields["families"]),
            new_harm=tuple(fields.get("new_harm", ())),
        )
        return ""


def _line(**fields: object) -> str:
    return json.dumps(fields, ensure_ascii=False) + "\n"
