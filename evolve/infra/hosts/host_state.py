"""What a converge leaves behind on a host: files and units, as a value that can be compared.

It has the files whose inode changed since the host began, except in places that a running system writes by itself
(`IGNORED`). Root's files are compared by content, mode and owner. Files of other users are compared by mode and owner
only: they are a service's data, which it writes at any time. Paths that the user wants watched are compared by content
in any case.
"""

import json
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

IGNORED: Final = (
    "/dev", "/proc", "/run", "/sys", "/tmp", "/var/tmp", "/var/log", "/var/cache", "/var/backups", "/root/.ansible",
    "/root/.cache", "/var/lib/apt", "/var/lib/systemd", "/var/lib/docker", "/var/lib/containerd", "/var/lib/dbus",
    "/var/lib/private", "/etc/.pwd.lock", "/etc/mtab", "/etc/machine-id", "/etc/ld.so.cache", "/.dockerenv",
)  # fmt: skip
"""Folders and files that no comparison looks at: the system writes them by itself, or Docker mounts them."""

_SCRIPT: Final = r"""
import datetime, glob, hashlib, json, os, re, stat, subprocess, time
began, ignored, also = WANTED["since"], set(WANTED["ignored"]), set(WANTED["also"])
watched = {path for pattern in WANTED["watched"] for path in glob.iglob(pattern, recursive=True)}
cache = "/run/anneal-host-state.json"
try:
    with open(cache) as file:
        known = json.load(file)
except (OSError, ValueError):
    known = {}
files, hashed = {}, {}
# Large, numerous and the same on each host: an installed package's code is compared by its size, as a binary is.
CODE = (".py", ".pyi", ".js", ".css", ".html", ".map", ".h", ".hpp", ".c", ".cpp", ".o", ".a", ".so", ".mo", ".gz")
def read(path, about):
    # The same inode time means the same content, so that each file is read once.
    before = known.get(path)
    if before and before[0] == about.st_ctime_ns:
        return before[1]
    digest, data = hashlib.sha256(), b""
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            digest.update(piece)
            data = data or piece
    shape = "binary:%d" % about.st_size
    is_packaged = path.endswith(CODE) and ("-packages/" in path or path.startswith("/usr/"))
    if about.st_size < 65536 and not is_packaged and b"\0" not in data:
        # 64 KiB: configuration files are smaller, and masking larger ones takes long.
        # The shape: what is left when numbers and random words (16 characters or more, as keys and hashes) are masked.
        masked = re.sub(rb"[A-Za-z0-9+/=_.$-]{16,}", b"~", data)
        shape = hashlib.sha256(re.sub(rb"[0-9]+", b"0", masked)).hexdigest()[:16]
    return digest.hexdigest()[:32] + " " + shape
def look(path, about):
    kind, content = stat.S_IFMT(about.st_mode), ""
    # Folders in any case: their inode changes with every entry, which says nothing about the folder.
    # Compiled Python, and the copies that passwd's programs and dpkg leave, say nothing about the role.
    is_old = about.st_ctime < began and path not in also and path not in watched
    if kind != stat.S_IFDIR and (is_old or path.endswith((".pyc", "-old", "-"))):
        return
    if kind == stat.S_IFLNK:
        content = os.readlink(path)
    elif kind == stat.S_IFREG and (about.st_uid == 0 or path in watched):
        content = read(path, about)
        hashed[path] = [about.st_ctime_ns, content]
    elif kind in (stat.S_IFSOCK, stat.S_IFIFO):
        return
    files[path] = [kind, stat.S_IMODE(about.st_mode), about.st_uid, about.st_gid, content, about.st_ctime]
waiting = ["/"]
while waiting:
    try:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                path = entry.path
                if path in ignored or entry.name == "__pycache__":
                    continue
                try:
                    about = entry.stat(follow_symlinks=False)
                    look(path, about)
                except OSError:
                    continue
                if stat.S_ISDIR(about.st_mode):
                    waiting.append(path)
    except OSError:
        pass
for path in watched:
    if path not in files:
        try:
            look(path, os.stat(path, follow_symlinks=False))
        except OSError:
            pass
with open(cache + ".new", "w") as file:
    json.dump(hashed, file)
os.replace(cache + ".new", cache)
ask = ["systemctl", "show", "--timestamp=us", "--all", "--type=service,socket,timer,path,mount",
       "-p", "Id,ActiveState,UnitFileState,InvocationID,Type,TriggeredBy,WantedBy,RequiredBy,NeedDaemonReload",
       "-p", "ActiveEnterTimestamp,ActiveEnterTimestampMonotonic", "*"]
shown = subprocess.run(
    ask, stdout=subprocess.PIPE, universal_newlines=True, env={**os.environ, "TZ": "UTC"}, check=True
).stdout
booted = time.time() - time.monotonic()
def seconds(text, monotonic):
    if not text:
        return 0.0
    if "." not in text:
        # systemd before version 248 prints whole seconds.
        return booted + int(monotonic) / 1e6
    at = datetime.datetime.strptime(" ".join(text.split()[1:3]), "%Y-%m-%d %H:%M:%S.%f")
    return at.replace(tzinfo=datetime.timezone.utc).timestamp()
units = {}
for block in shown.strip().split("\n\n"):
    values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    if values.get("Id"):
        units[values["Id"]] = [values.get(k, "") for k in ("ActiveState", "UnitFileState", "InvocationID", "Type")]
        since = seconds(values.get("ActiveEnterTimestamp", ""), values.get("ActiveEnterTimestampMonotonic", "0"))
        units[values["Id"]] += [since, bool(values.get("TriggeredBy")) or values.get("Type") == "dbus"]
        units[values["Id"]].append((values.get("WantedBy", "") + " " + values.get("RequiredBy", "")).split())
        units[values["Id"]].append(values.get("NeedDaemonReload") == "yes")
print(json.dumps({"files": files, "units": units}))
"""


class Answers(Protocol):
    """The part of a host that is needed here."""

    def run(self, *argv: str, input: str | None = None) -> "CommandOutput":  # noqa: A002 - subprocess.run's word
        """Run a command as root and return what it printed; raises ProcessFault when it fails."""
        ...


class CommandOutput(Protocol):
    """What a command printed."""

    @property
    def stdout(self) -> str:
        """Its output."""
        ...


class FileState(NamedTuple):
    """One file."""

    kind: int
    """The type bits of its mode."""
    mode: int
    uid: int
    gid: int
    content: str
    """Hash and shape of a file that belongs to root or is watched, target of a link, otherwise empty."""
    changed_at: float
    """When its inode changed last, seconds since 1970."""

    @property
    def is_compared(self) -> bool:
        """Whether its content counts: it belongs to root, or it is watched."""
        return self.uid == 0 or (bool(self.content) and stat.S_ISREG(self.kind))

    @property
    def shape(self) -> str:
        """The hash of the content without numbers and random words; `binary:SIZE` unless it is a short text."""
        return self.content.rpartition(" ")[2]


class UnitState(NamedTuple):
    """One unit of systemd."""

    active: str
    enabled: str
    invocation: str
    """systemd's id of this start: each start has another one."""
    type: str
    active_since: float
    """Seconds since 1970; 0 when it never was."""
    is_on_demand: bool = False
    """Whether the bus or another unit starts it when it is needed, so that it starts and stops by itself."""

    wanted_by: tuple[str, ...] = ()
    """The units that start it when they start."""
    is_outdated: bool = False
    """Whether its files changed since systemd read them: it does what the old ones say until `daemon-reload`."""

    @property
    def varies(self) -> bool:
        """Whether it may be up or down on a correctly converged host."""
        return self.is_on_demand and not self.enabled.startswith("enabled")


@dataclass(frozen=True, slots=True)
class HostState:
    """The files and units of one host at one moment."""

    files: Mapping[str, FileState]
    units: Mapping[str, UnitState]


def take(host: Answers, since: float, *, also: Iterable[str] = (), watched: Iterable[str] = ()) -> HostState:
    """Return the state of a host that began at `since`, in seconds since 1970 by the host's clock.

    Args:
        host: whose state.
        since: when it began.
        also: paths to include although they are older.
        watched: globs of paths whose content is compared, for any owner and in any place; `**` is any depth.
    """
    wanted = {"since": since, "ignored": IGNORED, "also": sorted(also), "watched": list(watched)}
    # On stdin, because there are too many paths for a command line.
    script = f"import json\nWANTED = json.loads({json.dumps(wanted)!r})\n{_SCRIPT}"
    data = json.loads(host.run("python3", "-", input=script).stdout)
    return HostState(
        {path: FileState(*values) for path, values in data["files"].items()},
        {name: UnitState(*values) for name, values in data["units"].items()},
    )
