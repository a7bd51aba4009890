# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets community.docker's connection run commands over connections that outlive a task.

The collection's own code starts `docker exec` for each command; `evolve.infra.hosts.connections` keeps one open for
each host. The collection's code still does what that cannot: another user than root, a prompt for a password, a host
without Python.
"""

import os

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import connection_loader

from evolve.infra.hosts.connections import ask

DOCUMENTATION = """
name: kept_connections
type: aggregate
short_description: connections that outlive a task
description: [connections that outlive a task]
"""

_MAX_FILE_BYTES = 16_000_000
"""Larger files go through the collection's own code, which does not hold them in memory."""

_USED = ("exec_command", "put_file", "_set_conn_data", "_build_exec_cmd", "_prefix_login_path")

_WRAPPER = b"\n_ANSIBALLZ_WRAPPER = True\n"
_KEEP_CODE = b"""
def _keep_code(folder="/run/anneal-code"):
    import _imp, hashlib, marshal, os, sys, zipimport
    compiles = zipimport._compile_source
    if os.geteuid():
        return
    os.makedirs(folder, mode=0o700, exist_ok=True)
    kind = "%s-%s-" % (sys.implementation.cache_tag, sys.flags.optimize)
    def kept(path, source):
        name = os.path.join(folder, kind + hashlib.sha256(source).hexdigest())
        try:
            with open(name, "rb") as file:
                code = marshal.loads(file.read())
            _imp._fix_co_filename(code, path)
            return code
        except (OSError, EOFError, ValueError, TypeError):
            code = compiles(path, source)
        try:
            with open("%s.%s" % (name, os.getpid()), "wb") as file:
                file.write(marshal.dumps(code))
            os.rename(file.name, name)
        except OSError:
            pass
        return code
    zipimport._compile_source = kept
try:
    _keep_code()
except (AttributeError, ImportError, OSError):
    pass
"""
"""Modules bring their libraries as sources; the host caches their compiled code, as compiling takes half the time."""


class CallbackModule(CallbackBase):
    """Patches the connection; a callback, because it is called when plugins can be loaded and no task has begun."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "kept_connections"

    def v2_playbook_on_start(self, playbook):  # noqa: ARG002 - Ansible's signature
        _keep_connections()


def _keep_connections():
    """Patch the connection's class, if the collection is there; roles still see its name and its options."""
    stock = connection_loader.get("community.docker.docker", class_only=True)
    if stock is None or not all(hasattr(stock, name) for name in _USED):
        return
    stock_exec, stock_put = stock.exec_command, stock.put_file

    def exec_command(self, cmd, in_data=None, sudoable=False):
        self._set_conn_data()
        asks = self.become is not None and self.become.expect_prompt() and sudoable
        answer = None if asks else _ask(self, cmd, (in_data or b"").replace(_WRAPPER, _WRAPPER + _KEEP_CODE, 1))
        return answer if answer is not None else stock_exec(self, cmd, in_data=in_data, sudoable=sudoable)

    def put_file(self, in_path, out_path):
        self._set_conn_data()
        answer = None
        if os.path.isfile(in_path) and os.path.getsize(in_path) <= _MAX_FILE_BYTES:
            with open(in_path, "rb") as file:
                answer = _ask(self, f"cat > {self._shell.quote(self._prefix_login_path(out_path))}", file.read())
        if answer is None:
            stock_put(self, in_path, out_path)
        elif answer.rc:
            output = (answer.stdout + answer.stderr).decode("utf-8", "replace").strip()
            raise AnsibleError(f"failed to transfer file {in_path} to {out_path}: {output}")

    stock.exec_command, stock.put_file = exec_command, put_file


def _ask(connection, command, data):
    """Return the return code and both outputs; None where the collection's own code has to run the command."""
    if connection.remote_user not in (None, "root") or connection.get_option("working_dir"):
        # An open connection has the user's groups and the folder of the moment when it was opened.
        return None
    opens = [os.fsdecode(word) for word in connection._build_exec_cmd([])]
    try:
        return ask(opens, [connection._play_context.executable, "-c", command], data)
    except OSError as error:
        raise AnsibleConnectionFailure(f"the connection to {opens[-1]} broke: {error}") from error
