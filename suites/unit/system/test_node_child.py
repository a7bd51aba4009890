"""The process of Node: calls at once, limits, crashes, and its end with its parent."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evolve.core.model.errors import CannotEvaluate
from evolve.system.node_child import NodeChild
from evolve.system.node_program import find_node

DEADLINE_S = 60.0


@pytest.fixture
def child():
    made = NodeChild(find_node(os.environ).path, os.environ)
    yield made
    made.kill("the test is over")


def code(text: str, folder: str = "/tmp", **values: object) -> dict[str, object]:
    return {"op": "run", "body": text, "names": list(values), "values": list(values.values()), "folder": folder}


def value(child: NodeChild, call: dict[str, object]) -> object:
    message = child.submit(call).result(DEADLINE_S)
    assert message["kind"] == "json", message
    return json.loads(message["text"])


def test_calls_are_answered_at_once_and_in_any_order(child):
    slow = child.submit(code("globalThis.go = undefined; return new Promise((done) => { globalThis.go = done; })"))
    assert value(child, code("globalThis.go('later'); return 'now'")) == "now"
    assert json.loads(slow.result(DEADLINE_S)["text"]) == "later"


def test_what_the_code_prints_breaks_nothing(child, capfd):
    text = "console.log('{\"id\": 1}'); process.stdout.write('half'); console.error('\\n'); return 'ä€𝄞'.repeat(100000)"
    assert value(child, code(text)) == "ä€𝄞" * 100_000


def test_values_that_json_lacks_keep_their_kind(child):
    for text, kind in (("return undefined", "undefined"), ("return NaN", "number"), ("return 5n", "bigint")):
        assert child.submit(code(text)).result(DEADLINE_S)["kind"] == kind


def test_a_crash_is_the_error_of_all_calls_in_flight(child):
    waiting = child.submit(code("return new Promise(() => setInterval(() => 1, 1000))"))
    child.submit(code("setImmediate(() => { throw new Error('broken pump'); }); return 1"))
    with pytest.raises(CannotEvaluate, match=r"(?s)ended with code 1.*broken pump"):
        waiting.result(DEADLINE_S)
    with pytest.raises(CannotEvaluate, match="ended with code 1"):
        child.submit(code("return 1")).result(DEADLINE_S)
    assert not child.is_running


def test_memory_has_a_limit():
    child = NodeChild(find_node(os.environ).path, os.environ, memory_mb=64)
    try:
        hungry = child.submit(code("const all = []; for (;;) all.push(new Array(100).fill(Math.random()));"))
        with pytest.raises(CannotEvaluate, match="more than 64 MB"):
            hungry.result(DEADLINE_S)
    finally:
        child.kill("the test is over")


def test_code_that_keeps_node_busy_does_not_stop_the_callers(child):
    spinning = child.submit(code("for (;;);"))
    waiting = [child.submit(code("return big.length", big="x" * 1_000_000)) for _ in range(5)]
    child.kill("too long")
    for answer in (spinning, *waiting):
        with pytest.raises(CannotEvaluate, match="too long"):
            answer.result(DEADLINE_S)


def test_kill_stops_code_that_never_returns_and_what_it_started(child):
    start = (
        "const {pid} = process.mainModule.require('child_process').spawn('sleep', ['1000']); return [process.pid, pid]"
    )
    pids = value(child, code(start))
    spinning = child.submit(code("for (;;);"))
    child.kill("too long")
    with pytest.raises(CannotEvaluate, match="too long"):
        spinning.result(DEADLINE_S)
    _wait_for_the_end_of(pids)


PARENT = """
import json, os, time
from evolve.system.node_child import NodeChild
from evolve.system.node_program import find_node
child = NodeChild(find_node(os.environ).path, os.environ)
call = {"op": "run", "body": "return process.pid", "names": [], "values": [], "folder": "/tmp"}
print(child.submit(call).result()["text"], flush=True)
if %r:
    child.submit({**call, "body": "process.stderr.write('spinning\\\\n'); for (;;);"})
time.sleep(1000)
"""


@pytest.mark.parametrize("spins", [False, True], ids=["idle", "busy"])
def test_node_ends_when_its_parent_is_killed(spins):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT % spins], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert parent.stdout is not None
        assert parent.stderr is not None
        pid = int(parent.stdout.readline())
        if spins:
            assert parent.stderr.readline() == "spinning\n"
        parent.send_signal(signal.SIGKILL)
        _wait_for_the_end_of([pid])
    finally:
        parent.kill()
        parent.communicate()


def _wait_for_the_end_of(pids):
    deadline = time.monotonic() + DEADLINE_S
    while any(_runs(pid) for pid in pids):
        assert time.monotonic() < deadline, f"still running: {pids}"
        time.sleep(0.01)


def _runs(pid: int) -> bool:
    try:
        # A zombie waits for the process that reaps orphans here; it no longer runs.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
