"""What a container cannot do that a machine can: units that it skips, capabilities it lacks, addresses out of reach."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from evolve.infra.hosts.host_state import Answers

_OF_THE_HOST: Final = re.compile(
    r"Condition(Capability|Virtualization|KernelModuleLoaded|KernelVersion|ControlGroupController|Security)=|"
    r"ConditionPath\w*=!?/(dev|sys|proc|lib/modules)\b"
)
"""Conditions of units that depend on kernel and container; all others depend on what the role has put there."""

_USER: Final = 217
_EXEC_STATUS: Final[Mapping[int, str]] = {
    201: "the nice level", 205: "a resource limit", 206: "the OOM score", 213: "the I/O priority", 214: "the scheduler",
    215: "the CPU affinity", 218: "capabilities", 219: "the control group", 225: "a network namespace",
    226: "mount namespaces", 228: "the system call filter", 231: "the AppArmor profile", 237: "the keyring",
    _USER: "a user namespace",
}  # fmt: skip
"""systemd's exit statuses of a unit whose process could not be set up as the unit asks (systemd.exec(5))."""

_NOT_THERE: Final = re.compile(r"Could not find the requested service|Unit \S+ (could not be|not) found")
"""Messages about a unit that does not exist (yet), which no limit of the host explains."""

_DENIED: Final = re.compile(r"operation not permitted|permission denied|read-only file system|not permitted", re.I)

_NO_USER_NAMESPACE: Final = re.compile(r"Failed to set up user namespacing")
"""How systemd says it, with a second reason that is misleading; status 217 alone also means an unknown user."""

_SCRIPT: Final = r"""
import json, re, subprocess
def shown(*words):
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, universal_newlines=True).stdout
keys = "Id,Names,ConditionResult,ConditionTimestampMonotonic,ActiveState,ExecMainStatus"
text = shown("systemctl", "show", "--all", "--type=service,socket,timer,path,mount", "-p", keys, "*")
skipped, failed = {}, {}
for block in text.strip().split("\n\n"):
    unit = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    name, names = unit.get("Id", ""), unit.get("Names", "").split()
    if unit.get("ConditionResult") == "no" and unit.get("ConditionTimestampMonotonic", "0") != "0":
        about = shown("systemctl", "status", "--no-pager", "--full", "--lines=0", name)
        skipped.update(dict.fromkeys(names, re.findall(r"(Condition\w+=\S+) was not met", about)))
    if unit.get("ActiveState") in ("failed", "activating") and unit.get("ExecMainStatus", "0") not in ("", "0"):
        log = shown("journalctl", "--no-pager", "--unit", name, "--lines=20", "--output=cat")
        failed[name] = [int(unit["ExecMainStatus"]), log]
with open("/proc/self/status") as file:
    bits = [line.split()[1] for line in file if line.startswith("CapBnd")][0]
print(json.dumps({"skipped": skipped, "failed": failed, "capabilities": int(bits, 16)}))
"""

_CAPABILITIES: Final[Mapping[str, int]] = {
    "LINUX_IMMUTABLE": 9, "NET_ADMIN": 12, "IPC_LOCK": 14, "SYS_MODULE": 16, "SYS_RAWIO": 17, "SYS_PTRACE": 19,
    "SYS_BOOT": 22, "SYS_NICE": 23, "SYS_RESOURCE": 24, "SYS_TIME": 25, "SYSLOG": 34, "BPF": 39,
}  # fmt: skip
"""Capabilities that a host may lack, and their bits (capabilities(7))."""

_WORDS: Final[Mapping[str, str]] = {
    "LINUX_IMMUTABLE": r"chattr|setting flags|file attributes",
    "NET_ADMIN": r"iptables|ip6tables|nftables|nft\b|ipset|RTNETLINK|firewall|ufw|wireguard|ip link",
    "IPC_LOCK": r"mlock",
    "SYS_MODULE": r"modprobe|insmod|kernel module",
    "SYS_PTRACE": r"ptrace|strace",
    "SYS_NICE": r"sched_set|renice|setpriority|ionice",
    "SYS_RESOURCE": r"setrlimit|prlimit|ulimit|RLIMIT|open files",
    "SYS_TIME": r"adjtimex|settimeofday|clock_settime|hwclock|chronyd?\b|ntpd\b|ntpdate|timedatectl|set time",
    "SYSLOG": r"dmesg|klogctl|/dev/kmsg",
}
"""Words of messages about what each capability allows."""

_OTHER: Final = (
    (re.compile(r"sysctl|/proc/sys", re.I), "kernel settings: /proc/sys is read-only in a container"),
    (re.compile(r"user namespace|unshare|newuidmap|newgidmap|CLONE_NEW", re.I), "new user namespaces"),
    (re.compile(r"losetup|/dev/loop|swapon|mkswap|mknod|/dev/mapper|quotaon", re.I), "devices of the machine"),
    (re.compile(r"hostnamectl|sethostname|set hostname|static hostname", re.I), "the host's name: the engine sets it"),
    (re.compile(r"/sys/(?!fs/cgroup)", re.I), "files of /sys: it is read-only in a container"),
)
_MODULE: Final = re.compile(r"modprobe: FATAL: Module (\S+) not found|(?:could not insert|load) module '?(\w+)", re.I)
_NO_SETTING: Final = re.compile(r"cannot stat /proc/sys/(\S+?):")
_MOUNTED: Final = re.compile(r"(/etc/(?:hosts|hostname|resolv\.conf))\b.*(?:Device or resource busy|Errno 16)", re.S)
_MACHINE: Final = "verify the role on a virtual machine"


@dataclass(frozen=True, slots=True)
class HostLimit:
    """Something that a host cannot do, and what helps."""

    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}"


@dataclass(frozen=True, slots=True)
class HostLimits:
    """The limits of one host, as found on it."""

    units: Mapping[str, HostLimit]
    """Units that it skips or cannot set up."""
    lacks: frozenset[str]
    """Capabilities that it does not have."""

    def explains(self, text: str) -> HostLimit | None:
        """Return the limit that a text is about, such as a task's message; None when it is about none."""
        for name, limit in self.units.items() if not _NOT_THERE.search(text) else ():
            stem = re.escape(name.rpartition(".")[0])
            if re.search(rf"(?<![\w@.-]){stem}(\.\w+)?(?![\w@-])", text):
                return limit
        if mounted := _MOUNTED.search(text):
            return HostLimit(f"the engine mounts {mounted[1]}, so no other file can take its place", _MACHINE)
        if module := _MODULE.search(text):
            return HostLimit(f"the kernel module {module[1] or module[2]} cannot be loaded in a container", _MACHINE)
        if setting := _NO_SETTING.search(text):
            return HostLimit(f"a container does not have the kernel setting {setting[1]}", _MACHINE)
        return self._denied(text) if _DENIED.search(text) else None

    def _denied(self, text: str) -> HostLimit | None:
        for name in sorted(self.lacks & _WORDS.keys()):
            if re.search(_WORDS[name], text, re.I):
                return HostLimit(f"hosts lack the capability CAP_{name}", _give(name))
        for pattern, what in _OTHER:
            if pattern.search(text):
                return HostLimit(f"hosts may not change {what}", f"--infra-privileged, or {_MACHINE}")
        return None


def _give(capability: str) -> str:
    return f"--infra-capability {capability} gives it, where the engine has it itself"


def find_limits(host: Answers) -> HostLimits:
    """Return what a host cannot do, by its units and its capabilities."""
    data = json.loads(host.run("python3", "-", input=_SCRIPT).stdout)
    units = {name: limit for name, given in data["skipped"].items() if (limit := _skipped(name, given))}
    units |= {name: limit for name, (code, log) in data["failed"].items() if (limit := _failed(name, code, log))}
    lacks = frozenset(name for name, bit in _CAPABILITIES.items() if not data["capabilities"] >> bit & 1)
    return HostLimits(units, lacks)


def _skipped(name: str, conditions: Iterable[str]) -> HostLimit | None:
    for condition in conditions:
        if _OF_THE_HOST.match(condition):
            what = f"systemd skips {name} on hosts: {condition} is not met"
            capability = re.match(r"ConditionCapability=CAP_(\w+)", condition)
            return HostLimit(what, _give(capability[1]) if capability else _MACHINE)
    return None


def _failed(name: str, code: int, log: str) -> HostLimit | None:
    pattern = _NO_USER_NAMESPACE if code == _USER else _DENIED
    if code in _EXEC_STATUS and pattern.search(log):
        what = f"systemd cannot give {name} what it asks for on hosts ({_EXEC_STATUS[code]}, status {code})"
        return HostLimit(what, f"--infra-privileged, or {_MACHINE}")
    return None
