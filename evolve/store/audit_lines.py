"""The lines of the audit log: JSON objects, each with the hash of the line before it.

    {"n":7,"time":"2026-11-30T09:00:00.000Z","event":"intended",...,"prev":"HASH OF LINE 6","hash":"..."}

`hash` is the SHA-256 of the line's bytes without `,"hash":"..."`. So no byte can change unnoticed.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from evolve.core.formats.dataclass_json import plain_value
from evolve.core.model.healing import AuditRecord
from evolve.core.model.json_value import JsonValue

FIRST_PREV: Final = "0" * 64
"""The `prev` of the first line."""
_HASH_FIELD: Final = re.compile(rb',"hash":"([0-9a-f]{64})"\}\Z')
_TEXTS: Final = ("time", "event", "incident", "healing", "prev")


@dataclass(frozen=True, slots=True)
class AuditHead:
    """The end of the log, as the database has it."""

    n: int = 0
    hash: str = FIRST_PREV
    file: str = ""
    """The name of the last file; empty before the first record."""
    size: int = 0
    """Bytes of that file."""
    pending: str = ""
    """The end of the file that is perhaps not written yet; counted in `size`."""


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One line, read."""

    n: int
    time: str
    event: str
    incident: str
    healing: str
    details: Mapping[str, JsonValue]
    prev: str
    hash: str

    def to_json(self) -> dict[str, JsonValue]:
        """Return the fields in the order of the file."""
        return {name: getattr(self, name) for name in self.__slots__} | {"details": dict(self.details)}


def make_line(n: int, record: AuditRecord, prev: str) -> tuple[str, str]:
    """Return the line of a record with its line end, and its hash.

    Args:
        n: its number; the first is 1.
        record: redacted.
        prev: the hash of the line before it.
    """
    fields = {
        "n": n,
        "time": time_text(record.at),
        "event": str(record.event),
        "incident": record.incident,
        "healing": record.healing,
        "details": plain_value(record.details),
        "prev": prev,
    }
    body = json.dumps(fields, separators=(",", ":"), allow_nan=False)
    digest = hashlib.sha256(body.encode()).hexdigest()
    return f'{body[:-1]},"hash":"{digest}"}}\n', digest


def read_line(data: bytes) -> AuditLine:
    """Return the line of these bytes, which have no line end.

    Raises:
        ValueError: they are no line, or were edited.
    """
    match = _HASH_FIELD.search(data)
    if match is None:
        raise ValueError("not a whole record")
    stated = match[1].decode()
    if hashlib.sha256(data[: match.start()] + b"}").hexdigest() != stated:
        raise ValueError("the record was edited: its content does not have its hash")
    try:
        value: Any = json.loads(data)
        n, details = value["n"], value["details"]
        texts = {name: value[name] for name in _TEXTS}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"not a record: {type(error).__name__}") from None
    if type(n) is not int or not isinstance(details, dict) or not all(isinstance(text, str) for text in texts.values()):
        raise ValueError("not a record: a field has the wrong type")
    return AuditLine(n=n, details=details, hash=stated, **texts)


def time_text(at: float) -> str:
    """Return a time as RFC 3339 in UTC, with milliseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
