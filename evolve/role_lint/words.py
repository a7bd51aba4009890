"""Ansible's words: keywords of tasks, and groups of modules that rules treat alike."""

from typing import Final

TASK_KEYWORDS: Final = frozenset(
    [
        "action",
        "any_errors_fatal",
        "args",
        "async",
        "become",
        "become_exe",
        "become_flags",
        "become_method",
        "become_user",
        "changed_when",
        "check_mode",
        "collections",
        "connection",
        "debugger",
        "delay",
        "delegate_facts",
        "delegate_to",
        "diff",
        "environment",
        "failed_when",
        "ignore_errors",
        "ignore_unreachable",
        "listen",
        "local_action",
        "loop",
        "loop_control",
        "loop_with",
        "module_defaults",
        "name",
        "no_log",
        "notify",
        "poll",
        "port",
        "register",
        "remote_user",
        "retries",
        "run_once",
        "tags",
        "throttle",
        "timeout",
        "until",
        "vars",
        "when",
        "block",
        "rescue",
        "always",
    ]
)
BLOCK_PARTS: Final = ("block", "rescue", "always")
FREE_FORM: Final = frozenset(("command", "shell", "raw", "script", "win_command", "win_shell", "expect"))
COMMANDS: Final = frozenset(("command", "shell", "raw"))
COMMAND_OPTIONS: Final = frozenset(("chdir", "creates", "executable", "removes", "stdin", "warn", "strip_empty_ends"))
INCLUDES: Final = frozenset(("include", "include_tasks", "import_tasks"))
ROLE_INCLUDES: Final = frozenset(("include_role", "import_role"))
SERVICES: Final = frozenset(("service", "systemd", "systemd_service", "sysvinit", "openrc", "runit"))
PACKAGES: Final = frozenset(
    [
        "apt",
        "apk",
        "dnf",
        "dnf5",
        "yum",
        "zypper",
        "package",
        "pacman",
        "homebrew",
        "pip",
        "npm",
        "gem",
        "pkgng",
        "portage",
        "snap",
        "flatpak",
        "xbps",
        "opkg",
    ]
)
FILE_WRITERS: Final = frozenset(("copy", "template", "get_url", "assemble", "blockinfile", "lineinfile", "replace"))
WHOLE_FILE_WRITERS: Final = frozenset(("copy", "template", "get_url"))
CHANGERS: Final = (
    FILE_WRITERS
    | SERVICES
    | PACKAGES
    | frozenset(
        [
            "file",
            "user",
            "group",
            "unarchive",
            "git",
            "cron",
            "mount",
            "sysctl",
            "hostname",
            "authorized_key",
            "apt_repository",
            "apt_key",
            "yum_repository",
            "deb822_repository",
            "docker_container",
            "docker_image",
            "docker_network",
            "docker_volume",
            "ini_file",
            "known_hosts",
            "alternatives",
            "iptables",
            "selinux",
            "seboolean",
            "timezone",
            "locale_gen",
            "debconf",
            "synchronize",
        ]
    )
)
"""Modules that change the host they run on."""
