"""Makes the short digest of a failed job's diagnostics that the reflection agent reads.

Each token costs time, and a line without information distracts a small model. The digest keeps the facts that decide
(exit code, use near a limit, events, placement, checks) and the log lines that mention a fault.

Agents are scored with these exact texts: a change here changes recorded answers and the names of incident cases.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from evolve.core.model.json_value import JsonValue

_CONTROL = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
)
"""Terminal escapes, control characters and invisible ones: tokens without meaning, and a way to hide instructions."""

_PREFIX = re.compile(
    r"^[\[(]?(?:\d{4}[-/]\d\d[-/]\d\d[T ]?|\w{3} +\d{1,2} |\d{1,2}/\w{3}/\d{4}[: ])?\d{1,2}:\d\d:\d\d(?:[.,:]\d+)?"
    r"(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?[\])]?[ :|-]*"
)
"""The timestamp at the start of a log line, in the formats of ISO 8601, syslog and common web servers."""

_LONG_ID = re.compile(
    r"\b(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(?=[0-9a-f]*\d)[0-9a-f]{10,})\b", re.I
)
"""UUIDs and hex ids of ten or more characters, such as allocation ids: they differ in each report."""

_FAULT_WORD = re.compile(
    r"error|fail|fatal|panic|denied|refused|cannot|can't|could not|couldn't|unable|invalid|not found|no such|missing|"
    r"exception|killed|out of|timed? ?out|in use|exceed|unknown|unsupported|abort|assert|corrupt|expired|exhaust|"
    r"no space|full|stale|lock|waiting|unavailable|not ready|required|mismatch|segfault|signal|undefined|unexpected",
    re.I,
)
_QUIET = re.compile(r"\b(?:DEBUG|TRACE|INFO|level=info|level=debug)\b", re.I)
_FACTS_SHARE = 0.6
"""Share of the digest that facts may take, so that a job with many events still shows its log lines."""

_SINCE_SHARE, _CHANGES_SHARE, _DEPENDENCIES_SHARE, _NODE_SHARE = 0.1, 0.2, 0.15, 0.1
"""Shares of the digest for what decides between actions but is in no log. Each is kept, however much the rest says."""

_SHOWN_SHARE = 0.25
"""Share of the digest that one key which an agent wants to see may take."""

_MIN_LOG_LINE = 80
"""Characters of one log line in a short digest: fewer would cut most messages in the middle."""

_EVENT_CHARS, _CHECK_CHARS, _PLACEMENT_CHARS = 160, 100, 200
"""Characters of one event, one check's output and the placement, so that none of them fills the digest."""

_NEARLY_FULL = 0.9
"""Share of a limit from which use is worth a mention: memory just below its limit explains an out-of-memory kill."""

_MAX_FAULT_WORDS = 3
"""Words of faults in a line that count: a long line with many of them must not displace all others."""

_ROUTINE_EVENTS = frozenset({"Received", "Task Setup", "Started", "Driver", "Downloading Artifacts", "Restarting"})
"""Types of Nomad's task events that every task has, failed or not."""

_ROUTINE_MESSAGE = re.compile(
    r"^(?:Exit Code: \d+(?:, Signal: \d+)?(?:, Exit Message: .*exit code: \d+\"?)?"
    r"|Exceeded allowed.*|Policy allows no restarts.*|Error was unrecoverable"
    r"|Sent interrupt.*|Task successfully killed)$"
)
"""Messages of Nomad's events that only repeat the exit code or follow from the failure."""

_WORKING = frozenset({"passing", "running", "ready"})

_JSON_MESSAGE = re.compile(r'"(msg|message|error|err|exception|detail|reason)" ?: ?"((?:[^"\\]|\\.)*)"')
_JSON_LEVEL = re.compile(r'"(?:level|severity|log\.level|lvl)" ?: ?"(\w+)"')
_FRAME = re.compile(r'\s*(?:at |File "|from /|\d+: 0x|#\d+ )')
"""Frames of stack traces: JavaScript and Java, Python, Ruby, Rust, C."""


def digest(diagnostics: Mapping[str, JsonValue], max_chars: int = 700, show: Sequence[str] = ()) -> str:
    """Return the report as a few lines of text: facts first, then the most informative log lines in their order.

    Control characters, timestamps and long ids are left out; the text is at most `max_chars` long. With the
    default, four demos and the case take 3,500 characters of the embedded model's context of 4,096 tokens.

    Args:
        diagnostics: the report.
        max_chars: at most so long is the text.
        show: keys of the report that are shown too, where it has them.
    """
    header, *facts = [line for line in _facts(diagnostics) if line] or [""]
    kept = [line[: int(max_chars * _SHOWN_SHARE)] for line in _shown(diagnostics, show)]
    kept += [line[: int(max_chars * share)] for line, share in _surroundings(diagnostics) if line]
    room = max_chars - _length(kept)
    while facts and _length([header, *facts]) > room * _FACTS_SHARE:
        facts.pop()
    room -= _length([header, *facts])
    logs = _choose_lines(_log_lines(diagnostics), room, max(max_chars // 3, _MIN_LOG_LINE))
    return "\n".join([header, *kept, *facts, *logs])[:max_chars]


def _length(lines: Iterable[str]) -> int:
    return sum(len(line) + 1 for line in lines)


def _shown(report: Mapping[str, JsonValue], keys: Iterable[str]) -> Iterator[str]:
    """Yields one line for each of the keys that the report has. Ids stay: an image may be named by its digest."""
    for key in keys:
        value = report.get(key)
        if value not in (None, "", {}):
            yield " ".join(_CONTROL.sub("", f"{key}: {_flat(value)}").split())


def _surroundings(report: Mapping[str, JsonValue]) -> Iterator[tuple[str, float]]:
    """Yields what is known beyond the job's own run, each as one line with its share of the digest."""
    yield _since(report.get("since"), report.get("failures")), _SINCE_SHARE
    yield _listed("changed", map(_change, _items(report.get("changes")))), _CHANGES_SHARE
    # A dependency that does not work is what decides, so it comes first.
    states = sorted(_items(report.get("dependencies")), key=_is_working)
    yield _listed("depends on", map(_dependency, states)), _DEPENDENCIES_SHARE
    node = report.get("node_facts")
    facts = node.items() if isinstance(node, Mapping) else ()
    yield _listed("node", (f"{key} {_flat(value)}" for key, value in facts if value not in (None, ""))), _NODE_SHARE


def _since(since: JsonValue, failures: JsonValue) -> str:
    times = f"{failures} times" if isinstance(failures, int) and failures > 1 else ""
    return _listed("failed", filter(None, (f"since {since}" if since else "", times)))


def _listed(title: str, parts: Iterable[str]) -> str:
    text = ", ".join(filter(None, map(_clean, parts)))
    return f"{title}: {text}" if text else ""


def _items(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _change(change: JsonValue) -> str:
    if not isinstance(change, Mapping):
        return str(change)
    before, after = change.get("before"), change.get("after")
    shown = "" if before is None and after is None else f" {before} -> {after}"
    return f"{change.get('field', '')}{shown}"


def _dependency(state: JsonValue) -> str:
    return f"{state.get('name', '')} {state.get('status', '')}" if isinstance(state, Mapping) else str(state)


def _is_working(state: JsonValue) -> bool:
    return isinstance(state, Mapping) and state.get("status") in _WORKING


def _facts(report: Mapping[str, JsonValue]) -> Iterator[str]:
    yield _header(report)
    yield _placement(report.get("placement"))
    yield from _events(report.get("events"))
    yield from _checks(report.get("checks"))
    deployment = report.get("deployment")
    if isinstance(deployment, Mapping) and "progress deadline" in str(deployment.get("description")):
        yield "deployment: progress deadline"


def _header(report: Mapping[str, JsonValue]) -> str:
    parts = [str(report.get(key)) for key in ("driver", "status") if report.get(key)]
    for key, word in (("exit_code", "exit"), ("signal", "signal"), ("restarts", "restarts")):
        value = report.get(key)
        if isinstance(value, int) and (value or key == "exit_code"):
            parts.append(f"{word} {value}")
    if report.get("oom_killed") is True:
        parts.append("oom killed")
    return ", ".join([*map(_clean, parts), *_nearly_used_up(report.get("limits"), report.get("usage"))])


def _nearly_used_up(limits: JsonValue, usage: JsonValue) -> Iterator[str]:
    """Yields the resources whose use is close to their limit."""
    if not isinstance(limits, Mapping) or not isinstance(usage, Mapping):
        return
    for key, limit in limits.items():
        used = usage.get(key)
        if (
            isinstance(limit, int | float)
            and isinstance(used, int | float)
            and limit > 0
            and used >= _NEARLY_FULL * limit
        ):
            yield f"{key.partition('_')[0]} {used:g} of {limit:g}"


def _events(events: JsonValue) -> Iterator[str]:
    seen: set[str] = set()
    for event in events if isinstance(events, list) else []:
        if isinstance(event, str):
            kind, message = "", event
        elif isinstance(event, Mapping):
            kind, message = str(event.get("type", "")), str(event.get("message") or "")
        else:
            continue
        line = f"event: {_around_the_fault(_clean(message) or kind, _EVENT_CHARS)}"
        if kind not in _ROUTINE_EVENTS and not _ROUTINE_MESSAGE.search(message) and line not in seen:
            seen.add(line)
            yield line


def _checks(checks: JsonValue) -> Iterator[str]:
    for check in checks if isinstance(checks, list) else []:
        if isinstance(check, Mapping) and check.get("status") not in ("passing", "success"):
            output = _clean(str(check.get("output") or ""))
            yield f"check {check.get('name')}: {_around_the_fault(output, _CHECK_CHARS)}"


def _placement(placement: JsonValue) -> str:
    if not isinstance(placement, Mapping) or not placement:
        return ""
    return (
        "placement: "
        + _clean(", ".join(f"{key} {_flat(value)}" for key, value in placement.items() if value))[:_PLACEMENT_CHARS]
    )


def _flat(value: JsonValue) -> str:
    return ", ".join(f"{key}={item}" for key, item in value.items()) if isinstance(value, Mapping) else str(value)


def _clean(text: str) -> str:
    return " ".join(_LONG_ID.sub("ID", _CONTROL.sub("", text)).split())


def _log_lines(report: Mapping[str, JsonValue]) -> list[str]:
    """Returns all log lines, stdout before stderr, without timestamps, repeats and empty lines."""
    lines: list[str] = []
    seen: set[str] = set()
    for stream in ("stdout", "stderr"):
        for line in str(report.get(stream) or "").splitlines():
            text = _message(_PREFIX.sub("", _clean(line)))
            # A repeated message often differs only in a counter or an address.
            shape = re.sub(r"\d+", "0", text)
            if len(text) > 2 and shape not in seen:
                seen.add(shape)
                lines.append(text)
    return lines


def _message(line: str) -> str:
    """Returns the message of a JSON record with its level, else the whole line."""
    if line.startswith("{"):
        messages = [match[2] for match in _JSON_MESSAGE.finditer(line)]
        level = _JSON_LEVEL.search(line)
        return " ".join([level[1].upper() if level else "", *messages]).strip() if messages else line
    return line


def _around_the_fault(line: str, length: int) -> str:
    """Returns at most `length` characters of a line, including the first word of a fault in it."""
    if len(line) <= length:
        return line
    match = _FAULT_WORD.search(line)
    start = max(0, min(match.start() - length // 3, len(line) - length)) if match else 0
    return line[start : start + length]


def _choose_lines(lines: list[str], room: int, longest: int) -> Iterable[str]:
    """Returns the lines with the highest weight that fit into `room` characters, in their original order."""
    last = len(lines) - 1

    def weight(index: int) -> float:
        line = lines[index]
        faults = min(len({match[0].lower() for match in _FAULT_WORD.finditer(line)}), _MAX_FAULT_WORDS)
        # A quiet level outweighs one fault word ("INFO retrying after error"), a stack frame cancels one; among equal
        # lines the later wins, because a log ends with the failure.
        return (
            faults - (1.5 if _QUIET.search(line) else 0.0) - (1.0 if _FRAME.match(line) else 0.0) + index / (last + 1)
        )

    chosen: dict[int, str] = {}
    for index in sorted(range(len(lines)), key=weight, reverse=True):
        shown = _around_the_fault(lines[index], longest)
        if len(shown) + 1 <= room:
            room -= len(shown) + 1
            chosen[index] = shown
    return [chosen[index] for index in sorted(chosen)]
