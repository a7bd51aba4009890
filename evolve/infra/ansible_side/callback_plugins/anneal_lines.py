# SPDX-License-Identifier: GPL-3.0-or-later
"""A stdout callback that writes one JSON line for each task's result on each host to the file ANNEAL_LINES.

The file ANNEAL_LINES.begun holds the task that began last, for a play that is killed during it.

With ANNEAL_STOP_AFTER=K the whole play is killed (SIGKILL, to its process group) right after the K-th result that is
not a skip: no handler, rescue or clean-up of Ansible runs.
"""

import difflib
import json
import os
import signal
import time

from ansible.playbook.handler import Handler
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: anneal_lines
type: stdout
short_description: one JSON line for each task's result
description: [one JSON line for each task's result]
extends_documentation_fragment: [default_callback]
"""

# Characters of a diff and of a command's output in one line: enough to see the reason, and reports stay small.
_MAX_DIFF = 4_000
_MAX_OUTPUT = 2_000
_MAX_ITEM = 200  # a loop's item can be a whole mapping
_PATH_KEYS = ("dest", "path")
_SERVICE_ACTIONS = ("service", "systemd", "systemd_service")


class CallbackModule(CallbackBase):
    """Writes the lines, and nothing to stdout."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "anneal_lines"

    def __init__(self):
        super().__init__()
        # Unbuffered: after a kill every line that was written is whole.
        self._file = os.open(os.environ["ANNEAL_LINES"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._begun = os.open(f"{os.environ['ANNEAL_LINES']}.begun", os.O_WRONLY | os.O_CREAT, 0o600)
        self._stop_after = int(os.environ.get("ANNEAL_STOP_AFTER", "0"))
        self._results = 0
        self._started = {}
        self._items = {}

    def v2_runner_on_start(self, host, task):
        self._started[(host.get_name(), task._uuid)] = time.monotonic()
        text = f"{task.get_path() or ''}: {task.get_name()} on {host.get_name()}".encode()
        os.ftruncate(self._begun, 0)
        os.pwrite(self._begun, text, 0)

    def v2_runner_item_on_ok(self, result):
        if result.result.get("changed"):
            self._remember_item(result)

    def v2_runner_item_on_failed(self, result):
        self._remember_item(result)

    def v2_runner_on_ok(self, result):
        self._write(result, "changed" if result.result.get("changed") else "ok")

    def v2_runner_on_failed(self, result, ignore_errors=False):
        # An ignored failure does not count as one, but it can have changed something.
        changed = "changed" if result.result.get("changed") else "ok"
        self._write(result, changed if ignore_errors else "failed")

    def v2_runner_on_skipped(self, result):
        self._write(result, "skipped")

    def v2_runner_on_unreachable(self, result):
        self._write(result, "unreachable")

    def _remember_item(self, result):
        key = (result.host.get_name(), result.task._uuid)
        self._items.setdefault(key, []).append(str(self._get_item_label(result.result))[:_MAX_ITEM])

    def _write(self, result, status):
        task, host = result.task, result.host.get_name()
        key = (host, task._uuid)
        path, _, line = (task.get_path() or "").rpartition(":")
        role = getattr(task, "_role", None)
        data = {
            "host": host,
            "role": role.get_name() if role else "",
            "task": task.name or task.action,
            "path": path,
            "line": int(line) if line.isdigit() else 0,
            "action": task.action,
            "status": status,
            "seconds": round(time.monotonic() - self._started.get(key, time.monotonic()), 3),
            "items": self._items.pop(key, []),
            "message": _message(result.result) if status in ("failed", "unreachable") else "",
            "diff": _diff(result.result),
            "is_handler": isinstance(task, Handler),
            "notified": [str(name) for name in task.notify or []] if status == "changed" else [],
            "written": _written(result.result) if status == "changed" else [],
            "units": _units(task.action, result.result),
        }
        os.write(self._file, json.dumps(data).encode() + b"\n")
        if status != "skipped":
            self._results += 1
            if self._results == self._stop_after:
                os.killpg(0, signal.SIGKILL)


def _message(result):
    """Return why a task failed; for a loop, why its items did."""
    failed = [part for part in result.get("results", []) if isinstance(part, dict) and part.get("failed")]
    parts = [_own_message(part) for part in failed] or [_own_message(result)]
    return "\n".join(parts)


def _own_message(result):
    lines = [str(result.get("msg", ""))]
    exception = result.get("exception")
    if exception and not result.get("msg"):
        lines.append(str(exception))
    address = result.get("url")
    if isinstance(address, str) and address not in lines[0]:
        lines.append(f"url: {address}")
    for key in ("module_stderr", "stderr", "module_stdout", "stdout"):
        text = str(result.get(key) or "").strip()
        if text and text not in lines:
            lines.append(f"{key}: {text[-_MAX_OUTPUT:]}")
    return "\n".join(line for line in lines if line)


def _diff(result):
    parts = [result, *(part for part in result.get("results", []) if isinstance(part, dict))]
    texts = []
    for part in parts:
        given = part.get("diff") if part.get("changed") else None
        diffs = given if isinstance(given, list) else [given]
        texts += [_diff_text(diff) for diff in diffs if isinstance(diff, dict)]
    return "\n".join(text for text in texts if text)[:_MAX_DIFF]


def _diff_text(diff):
    if "prepared" in diff:
        return str(diff["prepared"])
    before, after = (_lines(diff.get(side, "")) for side in ("before", "after"))
    names = [str(diff.get(f"{side}_header", side)) for side in ("before", "after")]
    return "\n".join(difflib.unified_diff(before, after, *names, n=1, lineterm=""))


def _lines(value):
    text = value if isinstance(value, str) else json.dumps(value, indent=1, sort_keys=True, default=str)
    return text.splitlines()


def _written(result):
    parts = [result, *(part for part in result.get("results", []) if isinstance(part, dict))]
    found = (part.get(key) for part in parts if part.get("changed") for key in _PATH_KEYS)
    return sorted({path for path in found if isinstance(path, str) and path.startswith("/")})


def _units(action, result):
    if action.rpartition(".")[2] not in _SERVICE_ACTIONS:
        return []
    parts = [result, *(part for part in result.get("results", []) if isinstance(part, dict))]
    return sorted({str(part["name"]) for part in parts if part.get("name")})
