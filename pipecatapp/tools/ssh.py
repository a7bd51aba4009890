"""The tool `ssh`: a declared command on a declared host."""

import os
import shlex
from collections.abc import Iterable
from typing import Final

from evolve.core.text.did_you_mean import did_you_mean
from pipecatapp.core.ports import Risk, ToolReason
from pipecatapp.tools.config import SshHost
from pipecatapp.tools.context import ToolContext
from pipecatapp.tools.output import SEARCHED_BYTES
from pipecatapp.tools.programs import Ended, run_program
from pipecatapp.tools.registry import Arguments, ToolProblem, text_of, tool

_NO_CONNECTION: Final = 255
"""The exit code of ssh itself."""
_OPTIONS: Final = (
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "GlobalKnownHostsFile=/dev/null",
    "UpdateHostKeys=no",
    "IdentitiesOnly=yes",
    "IdentityAgent=none",
    "PreferredAuthentications=publickey",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "PermitLocalCommand=no",
    "ControlPath=none",
    "RequestTTY=no",
    "ConnectTimeout=10",
    "ServerAliveInterval=10",
    "LogLevel=ERROR",
)


@tool(
    "ssh",
    {
        "required": ["host", "command"],
        "properties": {
            "host": {"type": "string", "description": "Name of a declared host."},
            "command": {"type": "string", "description": "Name of a declared command."},
        },
    },
    risk=Risk.DANGER,
    timeout_s=60,
)
async def ssh(arguments: Arguments, context: ToolContext) -> str:
    """Run one of the declared commands on one of the declared hosts."""
    config = context.config.ssh
    if config is None:
        raise ToolProblem(ToolReason.NOT_CONFIGURED, "no host is configured: set tools.ssh")
    name, command = text_of(arguments, "host"), text_of(arguments, "command")
    _check_known("host", name, config.hosts)
    _check_known("command", command, config.commands)
    argv = ssh_argv(config.hosts[name], config.commands[command])
    # Neither an agent's socket nor a variable of this process is of use there.
    env = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    return _answer(await run_program(argv, env, SEARCHED_BYTES), f"{command} on {name}")


def ssh_argv(host: SshHost, command: Iterable[str]) -> tuple[str, ...]:
    """Return ssh's command line. The remote shell gets each argument quoted, so that it is one word there, too."""
    files = {"IdentityFile": host.identity_file, "UserKnownHostsFile": host.known_hosts_file}
    options = (*_OPTIONS, *(f"{name}={_quoted(str(path))}" for name, path in files.items()))
    return (
        "ssh", "-F", "none", "-T",
        *(word for option in options for word in ("-o", option)),
        "-p", str(host.port), "-l", host.user,
        "--", host.address, shlex.join(command),
    )  # fmt: skip


def _quoted(path: str) -> str:
    """Return a path for ssh's own parser of options, for which a space ends it and `%` begins a token."""
    return f'"{path.replace("%", "%%")}"'


def _check_known(what: str, name: str, known: Iterable[str]) -> None:
    names = list(known)
    if name not in names:
        hint = did_you_mean(name, names) or f"declared: {', '.join(names)}"
        raise ToolProblem(ToolReason.REFUSED, f"no {what} {name[:40]!r} is declared ({hint})")


def _answer(ended: Ended, what: str) -> str:
    text = ended.output.decode("utf-8", "replace")
    if ended.code == _NO_CONNECTION:
        raise ToolProblem(ToolReason.FAILED, f"{what}: no connection, or it was lost\n{text}")
    if ended.code is None:
        return f"{text}\n[ended: it wrote more than {SEARCHED_BYTES:,} bytes]"
    if ended.code:
        raise ToolProblem(ToolReason.FAILED, f"{what}: exit code {ended.code}\n{text}")
    return text or f"{what}: done, without output"
