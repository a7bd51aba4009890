"""The program that tries an expert's models in order, as role bootstrap_agent deploys it, on a server by script."""

import os
import signal
import subprocess
import sys

import pytest

from fixtures.processes import is_running, wait_for
from fixtures.real_consul import free_ports
from fixtures.role_templates import expert_job

SERVER = f"""#!{sys.executable}
import http.server, sys, time
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
open(sys.argv[0] + ".started", "a").write(given["--alias"] + "\\n")
if given["--alias"] == "bad":
    sys.exit(3)
if given["--alias"].startswith("hanging"):
    time.sleep(3600)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(given["--port"])), Handler).serve_forever()
"""


class Task:
    """The program in the folder of a task, as Nomad runs it."""

    def __init__(self, folder, models, **arguments):
        self._folder = folder
        program = folder / "llama_cpp/current/bin/llama-server"
        program.parent.mkdir(parents=True)
        program.write_text(SERVER)
        program.chmod(0o755)
        self._started = program.with_name("llama-server.started")
        for name in models:
            (folder / f"{name}.gguf").touch()
        job = expert_job(
            main_port=free_ports(1)[0],
            llama_cpp_home=str(folder / "llama_cpp"),
            models_dir=str(folder),
            consul_addr="",
            models=[{"file": f"{name}.gguf", "memory_mb": 1} for name in models],
            **arguments,
        )
        (task,) = (task for group in job["TaskGroups"] for task in group["Tasks"])
        (folder / "local").mkdir()
        (folder / task["Templates"][0]["DestPath"]).write_text(task["Templates"][0]["EmbeddedTmpl"])
        self._command = [sys.executable, *task["Config"]["args"]]
        self.process = self.start()

    def start(self):
        environment = {**os.environ, "NOMAD_TASK_DIR": str(self._folder / "local")}
        with (self._folder / "log").open("a") as log:
            self.process = subprocess.Popen(self._command, cwd=self._folder, env=environment, stderr=log)
        return self.process

    @property
    def started(self):
        """The models that a server was started with."""
        return self._started.read_text().split() if self._started.exists() else []

    @property
    def log(self):
        return (self._folder / "log").read_text()

    def server(self):
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(path) as file:
            return [int(word) for word in file.read().split()]

    def end(self):
        self.process.terminate()
        return self.process.wait(timeout=30)


@pytest.fixture
def run(tmp_path):
    tasks = []

    def started(*models, **arguments):
        tasks.append(Task(tmp_path, models, **arguments))
        return tasks[-1]

    yield started
    for task in tasks:
        task.end()


def test_a_model_that_does_not_load_or_takes_too_long_is_passed_over(run):
    task = run("bad", "hanging", "good", load_s=1)
    wait_for("the good one is served", lambda: "serving" in task.log)
    assert task.started == ["bad", "hanging", "good"]
    assert "the server ended with 3" in task.log
    assert "hanging.gguf was not loaded in 1 s" in task.log


def test_a_stop_ends_the_server_and_is_no_failure(run):
    task = run("good")
    wait_for("it is served", lambda: "serving" in task.log)
    servers = task.server()
    assert task.end() == 0
    assert [pid for pid in servers if is_running(pid)] == []


def test_the_end_of_a_served_model_ends_the_task_at_once(run):
    task = run("good", "good2")
    wait_for("it is served", lambda: "serving" in task.log)
    os.kill(task.server()[0], signal.SIGKILL)
    assert task.process.wait(timeout=30) == 1
    # Nothing smaller is tried: Nomad starts the program again, from the best model on.
    assert task.started == ["good"]


def test_a_model_whose_load_kills_the_whole_task_is_passed_over_once(run):
    task = run("hanging", "good")
    wait_for("it loads", lambda: task.started == ["hanging"])
    (server,) = task.server()
    task.process.kill()
    task.process.wait()
    wait_for("the server went with the program", lambda: not is_running(server))
    task.start()
    wait_for("the good one is served", lambda: "serving" in task.log)
    assert task.started == ["hanging", "good"]
    task.end()
    task.start()
    wait_for("it is tried again", lambda: task.started == ["hanging", "good", "hanging"])


def test_the_last_model_is_tried_even_if_its_load_killed_the_task(run):
    task = run("hanging")
    wait_for("it loads", lambda: task.started == ["hanging"])
    task.process.kill()
    task.process.wait()
    task.start()
    wait_for("it is tried again", lambda: task.started == ["hanging", "hanging"])


def test_no_model_here_is_a_failure_that_says_so(run, tmp_path):
    task = run("good")
    task.end()
    (tmp_path / "good.gguf").unlink()
    assert task.start().wait(timeout=30) == 1
    assert "no " in task.log
    assert "nothing more to try" in task.log
