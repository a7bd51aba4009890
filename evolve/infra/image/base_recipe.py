"""What a host's image holds: releases, packages, and the steps that make a container's first process systemd."""

import hashlib
from dataclasses import dataclass

from evolve.core.model.errors import InputError, Problem
from evolve.core.text.did_you_mean import did_you_mean


@dataclass(frozen=True, slots=True)
class Release:
    """A release of Debian that hosts can have."""

    name: str
    systemd: int
    """Its systemd's major version, which decides what kernels' cgroups it accepts."""

    def why_not(self, cgroup_version: int) -> str:
        """Return why the release cannot boot on an engine with these cgroups; empty when it can."""
        if cgroup_version < 2 and self.systemd >= UNIFIED_ONLY:
            return f"its systemd {self.systemd} refuses to boot with cgroup v1, which this machine has"
        return ""


UNIFIED_ONLY = 256
"""The first version of systemd that refuses to boot with cgroup v1 (its release notes)."""

RELEASES = {
    release.name: release for release in (Release("bookworm", 252), Release("bullseye", 247), Release("trixie", 257))
}
DEFAULT_RELEASE = "bookworm"

PACKAGES = (
    "ca-certificates",
    "dbus",
    "iproute2",
    "iputils-ping",
    "passwd",
    "procps",
    "python3",
    "python3-apt",
    "sudo",
    "systemd",
    "systemd-sysv",
)
"""What Ansible and testinfra need on a host, and no more: a role brings the rest."""

INIT = "/lib/systemd/systemd"
LABEL_RELEASE = "anneal.release"
LABEL_LISTS = "anneal.lists"
"""When the package lists in the image were fetched, in seconds since 1970."""

UPDATE = "apt-get update --error-on=any"
"""Fails when a mirror does not answer, which apt only warns about otherwise; bullseye's apt has the option already."""

UPSTREAM_STEPS = f"""\
ENV DEBIAN_FRONTEND=noninteractive
RUN {UPDATE} && apt-get install -y --no-install-recommends {" ".join(PACKAGES)} && apt-get clean
"""
"""What is added to a registry's image, which has neither Python nor systemd."""

FINISH_STEPS = f"""\
RUN rm -f /usr/sbin/policy-rc.d /etc/apt/apt.conf.d/docker-clean /etc/apt/apt.conf.d/docker-gzip-indexes \\
    /var/lib/dbus/machine-id && : >/etc/machine-id && {UPDATE}
STOPSIGNAL SIGRTMIN+3
ENV container=docker
CMD ["{INIT}"]
"""
"""What is added to either base: services may start, each host gets its own machine id, apt has its package lists."""


def release_named(name: str) -> Release:
    """Return the release of this name.

    Raises:
        InputError: it is unknown; names those that are known.
    """
    if name not in RELEASES:
        known = f"known: {', '.join(RELEASES)}"
        raise InputError(Problem(f"unknown release {name!r}", hint=did_you_mean(name, RELEASES) or known))
    return RELEASES[name]


def key(release: Release) -> str:
    """Return a name for images of this recipe; the same release, packages and steps give the same name."""
    parts = (release.name, *PACKAGES, UPSTREAM_STEPS, FINISH_STEPS)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]  # 48 bits: no two recipes share it


def upstream_dockerfile(image: str) -> str:
    """Return the Dockerfile that makes the base from a registry's image."""
    return f"FROM {image}\n{UPSTREAM_STEPS}"


def finish_dockerfile(base: str, release: Release, now_s: int) -> str:
    """Return the Dockerfile that makes the host's image from its base."""
    return f"FROM {base}\nLABEL {LABEL_RELEASE}={release.name} {LABEL_LISTS}={now_s}\n{FINISH_STEPS}"
