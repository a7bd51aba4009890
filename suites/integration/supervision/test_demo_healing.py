"""As a user tries it: a demo cluster, a provoked fault, a plan that is approved, and a job that is well again."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fixtures.demo_clusters import demo_environment, started_demo

POLICY = """
mode: suggest
limits: {healthy_s: 5}
jobs: [{job: "demo-*", actions: [restart, increase_memory, escalate]}]
"""
DEADLINE_S = 150


def wait_for(look: Callable[[], Any], what: str, log: Path) -> Any:
    deadline = time.monotonic() + DEADLINE_S
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {DEADLINE_S} s: {what}\n{log.read_text()}"
        time.sleep(0.5)
    return found


def test_a_provoked_incident_is_healed_after_approval(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY)
    log = tmp_path / "supervisor.log"
    with started_demo(tmp_path):
        env = {
            **demo_environment(tmp_path / "cache"),
            "EVOLVE_STATE_DIR": str(tmp_path / "state"),
            "PYTHONPATH": os.getcwd(),
        }

        def evolve(*words: str) -> str:
            argv = [sys.executable, "-m", "evolve", *words]
            done = subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        def incident(state: str) -> Any:
            found = json.loads(evolve("incidents", "--all", "--json"))
            found = found["incidents"] if isinstance(found, dict) else found
            return next((one for one in found if one["job"] == "demo-worker" and one["state"] == state), None)

        with log.open("w") as out:
            argv = [sys.executable, "-m", "evolve", "supervise", "--policy", "policy.yaml"]
            supervisor = subprocess.Popen(argv, env=env, cwd=tmp_path, stdout=out, stderr=out)
        try:
            evolve("provoke", "oom", "--wait")
            waiting = wait_for(lambda: incident("waiting"), "a plan waits for approval", log)
            shown = evolve("incidents", waiting["id"])
            assert "Resources.MemoryMB from 48 to 96" in shown
            assert "next: evolve approve" in shown
            evolve("approve", waiting["id"], "--yes")
            wait_for(lambda: incident("healed"), "the job is healed", log)
            assert "increase_memory healed it" in log.read_text()
            assert "the audit log is whole" in evolve("audit", "verify")
        finally:
            supervisor.send_signal(signal.SIGTERM)
            assert supervisor.wait(timeout=30) == 0, log.read_text()
    assert "ended; open incidents are kept" in log.read_text()
