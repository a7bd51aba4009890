"""Logs of tasks over HTTP: what is refused, and the part of the file that is asked for."""

from __future__ import annotations

import base64
from pathlib import Path

from .answers import Answer, Refused
from .shapes import Json


def check(query: dict[str, str], alloc: Json) -> None:
    """Refuses a log that there cannot be, or is not yet."""
    task = query.get("task")
    if not task:
        raise Refused(400, "must provide task name")
    if query.get("type") not in ("stdout", "stderr"):
        raise Refused(400, "must provide log type (stdout/stderr)")
    if query.get("origin", "start") not in ("start", "end"):
        raise Refused(400, "origin must be start or end")
    if task not in alloc["TaskResources"]:
        raise Refused(400, f'unknown task name "{task}"')
    if not (alloc["TaskStates"] or {}).get(task, {}).get("StartedAt"):
        raise Refused(404, f'task "{task}" not started yet. No logs available')


def read_log(data_dir: Path, alloc_id: str, query: dict[str, str]) -> Answer:
    """The log from an offset on, counted from its start or end: as text with `plain`, else as one frame.

    An offset of 0 from the end means the whole log, as Nomad has it (recording 23).
    """
    name = f"{query['task']}.{query['type']}.0"
    file = data_dir / "alloc" / alloc_id / "alloc" / "logs" / name
    whole = file.read_bytes() if file.is_file() else b""
    offset = int(query.get("offset") or 0)
    part = whole[-offset:] if query.get("origin") == "end" else whole[offset:]
    if query.get("plain") == "true":
        return Answer(200, part)
    frame = {"Data": base64.b64encode(part).decode(), "File": f"alloc/logs/{name}", "Offset": len(whole)}
    return Answer(200, frame if part else {})
