"""Things that are made again although they exist."""

from collections.abc import Iterator
from typing import Final

from evolve.role_lint.rule import Match, Rule, in_tasks
from evolve.role_lint.tasks import AnsibleTask

_ALWAYS: Final = {
    ("docker_container", "recreate"): ("true", "yes"),
    ("docker_compose_v2", "recreate"): ("always",),
    ("docker_compose_v2", "build"): ("always",),
    ("docker_image", "force_source"): ("true", "yes"),
    ("docker_image_build", "rebuild"): ("always",),
    ("pip", "state"): ("forcereinstall",),
    ("openssl_privatekey", "regenerate"): ("always",),
    ("openssl_privatekey", "force"): ("true", "yes"),
    ("openssh_keypair", "regenerate"): ("always",),
    ("openssh_keypair", "force"): ("true", "yes"),
    ("x509_certificate", "force"): ("true", "yes"),
    ("openssl_csr", "force"): ("true", "yes"),
    ("openssl_dhparam", "force"): ("true", "yes"),
}
"""Module and argument, and the values that make it act on each run."""


def _recreates(task: AnsibleTask) -> Iterator[Match]:
    if task.is_guarded:
        return
    for name, entry in task.args.items():
        value = task.text(name).lower()
        if value in _ALWAYS.get((task.module, name), ()):
            yield Match(entry.spot, f"`{name}: {value}` makes `{task.module}` act on every run")


RULE = Rule(
    id="made-anew-every-run",
    what="`recreate`, `force` or `regenerate` on a thing that exists",
    why="On every run containers restart, keys and certificates change, packages are installed again.",
    fix="remove it; the module compares, and acts only when something differs",
    find=in_tasks(_recreates),
)
