# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays playbooks on request: imports Ansible once and forks for each play.

One JSON request a line on stdin, one JSON answer a line on stdout:
    {"argv": [...], "roles_path": [...], "collections_path": [...], "cwd": "...", "env": {...}, "log": "file"}
    ->  {"pid": 1}, then {"rc": 0}
A play runs in a process group of its own, whose id is the pid. At the end of stdin a running play is killed.
"""

import ctypes
import json
import os
import select
import signal
import sys
import traceback

os.environ.setdefault("LC_ALL", "C.UTF-8")

from ansible import constants
from ansible.cli.playbook import PlaybookCLI
from ansible.errors import AnsibleError
from ansible.utils.display import Display

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def main():
    # Keep both pipes for ourselves: what Ansible prints must not get into the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    requests = os.fdopen(os.dup(0), "rb", buffering=0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    # Modules that every play needs are loaded before the first fork.
    import ansible.executor.playbook_executor
    import ansible.plugins.strategy.linear
    import ansible.template  # noqa: F401

    while line := requests.readline():
        pid = _start(json.loads(line), answers)
        _say(answers, pid=pid)
        _say(answers, rc=_end_of(pid, requests))


def _say(answers, **data):
    answers.write(json.dumps(data) + "\n")
    answers.flush()


def _start(request, answers):
    pid = os.fork()
    if pid == 0:
        # If the child kept this pipe open, our parent would notice our death only when the play ends.
        answers.close()
        code = 250  # ansible-playbook's own code for an unexpected exception
        try:
            code = _play(request)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except AnsibleError as error:  # a mistake in the user's files: no traceback
            Display().error(error)
            code = 1
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return pid


def _play(request):
    os.setsid()
    # Ansible's workers leave the process group, so a kill of the group misses them; this ends them with the play.
    os.register_at_fork(after_in_child=lambda: _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL))
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.chdir(request["cwd"])
    os.environ.update(request["env"])
    constants.DEFAULT_ROLES_PATH = [*request["roles_path"], *constants.DEFAULT_ROLES_PATH]
    constants.COLLECTIONS_PATHS = [*request["collections_path"], *constants.COLLECTIONS_PATHS]
    constants.config.WARNINGS.clear()
    return PlaybookCLI(["ansible-playbook", *request["argv"]]).run() or 0


def _end_of(pid, requests):
    """Wait for the play, and kill it when stdin ends: the parent is gone."""
    read, write = os.pipe()
    signal.set_wakeup_fd(-1)
    previous = signal.signal(signal.SIGCHLD, lambda *_: os.write(write, b"x"))
    try:
        while True:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            # Not for ever: a signal just before the call is handled only after it.
            ready, _, _ = select.select([read, requests], [], [], 1.0)
            if requests in ready:
                os.killpg(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                sys.exit(0)
    finally:
        signal.signal(signal.SIGCHLD, previous)
        os.close(read)
        os.close(write)


if __name__ == "__main__":
    main()
