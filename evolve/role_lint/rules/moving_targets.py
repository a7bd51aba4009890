"""Versions whose content changes over time."""

import re
from collections.abc import Iterator
from typing import Final

from evolve.role_lint.homes import Tree
from evolve.role_lint.nodes import Node, Spot
from evolve.role_lint.rule import Match, Rule, in_tasks
from evolve.role_lint.tasks import AnsibleTask
from evolve.role_lint.text_files import without_comments
from evolve.role_lint.words import PACKAGES

_BRANCHES: Final = frozenset(("main", "master", "develop", "devel", "development", "trunk", "dev", "nightly", "next"))
# Programs and archives; configuration files have no published checksum.
_ARCHIVE: Final = re.compile(
    r"\.(?:tar(?:\.\w+)?|tgz|txz|zip|deb|rpm|sh|run|appimage|gguf|bin|jar|whl|AppImage|gz|xz|bz2)(?:\?.*)?$"
)
_LATEST: Final = re.compile(
    r"/(?:releases/)?latest(?:/|$)|/(?:refs/heads/|archive/)(?:main|master|develop)\b|raw\.githubusercontent\.com/[^/]+/[^/]+/(?:main|master|develop)/"
)
_IMAGE_LINE: Final = re.compile(r"^\s*image\s*[=:]\s*[\"']?([a-z0-9][\w./:@{}\s-]*?)[\"']?\s*(?:(?:#|//).*)?$")


def _given_args(task: AnsibleTask, *names: str) -> Iterator[tuple[Node, str]]:
    for name in names:
        node = task.arg(name)
        if node is not None and node.text:
            yield node, task.text(name)


def _find_unverified(task: AnsibleTask) -> Iterator[Match]:
    if task.module != "get_url" or task.arg("checksum", "sha256sum"):
        return
    for node, url in _given_args(task, "url"):
        if _ARCHIVE.search(url) and url.startswith(("http:", "https:", "ftp:")):
            yield Match(node.spot, "a program or an archive is downloaded without a checksum")


UNVERIFIED = Rule(
    id="download-without-checksum",
    what="`get_url` of a program or an archive without `checksum`",
    why="A truncated or tampered download is installed, and an existing file is never compared with the expected one.",
    fix="add `checksum: sha256:...`; keep it in a variable next to the version",
    find=in_tasks(_find_unverified),
)


def _latest(task: AnsibleTask) -> Iterator[Match]:
    names = {"get_url": ("url",), "unarchive": ("src",), "apt": ("deb",), "dnf": ("name",), "yum": ("name",)}
    for node, url in _given_args(task, *names.get(task.module, ())):
        if "://" in url and (found := _LATEST.search(url)):
            yield Match(node.spot, f"`{found[0].strip('/')}` in the address can be a different file tomorrow")


LATEST = Rule(
    id="download-of-latest",
    what="a download from .../latest/... or from a branch",
    why="Two hosts, or one host on two days, get different programs from the same commit of the role.",
    fix="put the version into the address, through a variable",
    find=in_tasks(_latest),
)


def _unpacks(task: AnsibleTask) -> Iterator[Match]:
    if task.module == "unarchive" and not task.is_guarded:
        for node, url in _given_args(task, "src"):
            if "://" in url:
                yield Match(node.spot, "`unarchive` of an address downloads the archive on every run")


UNPACKS = Rule(
    id="unarchive-from-address",
    what="`unarchive` with an address as `src` and no `creates`",
    why="Every run downloads the archive unverified, and fails without the network.",
    fix="download with `get_url` and a checksum, then unpack with `creates:`",
    find=in_tasks(_unpacks),
)


def _branches(task: AnsibleTask) -> Iterator[Match]:
    if task.module == "git" and not task.is_false("update"):
        for node, version in _given_args(task, "version"):
            if version.removeprefix("origin/") in _BRANCHES:
                how = "" if node.text == version else f", the default of `{node.text}`"
                yield Match(node.spot, f"`{version}`{how} is a branch, which moves")


BRANCHES = Rule(
    id="git-branch",
    what="`git: version:` with a branch",
    why="A run changes the host because somebody pushed, and hosts differ from each other.",
    fix="name a tag or a commit",
    find=in_tasks(_branches),
)


def _by_variable(task: AnsibleTask) -> Iterator[Match]:
    if task.module in PACKAGES:
        for node, state in _given_args(task, "state"):
            if state == "latest" and "{{" in node.text:
                yield Match(node.spot, f"`{node.text}` is `latest` by default")


BY_VARIABLE = Rule(
    id="latest-by-variable",
    what="a package whose state is `latest` through a variable",
    why="Each run may upgrade it: the installed version depends on the day.",
    fix="default to `present`, and upgrade explicitly",
    find=in_tasks(_by_variable),
)


def _upgrades(task: AnsibleTask) -> Iterator[Match]:
    if task.module == "apt" and task.home.is_role and not task.is_guarded:
        for node, kind in _given_args(task, "upgrade"):
            if kind.lower() in ("dist", "full", "yes", "safe", "true"):
                yield Match(node.spot, f"`upgrade: {kind}` upgrades every package of the host")


UPGRADES = Rule(
    id="upgrades-everything",
    what="a role that upgrades all packages",
    why="A converge changes packages that the role does not manage, on some days and not on others.",
    fix="put upgrades into a separate playbook, or behind a variable that is off by default",
    find=in_tasks(_upgrades),
)


def _images(tree: Tree) -> Iterator[Match]:
    for task in tree.tasks:
        if task.module in ("docker_container", "podman_container"):
            for node, image in _given_args(task, "image"):
                yield from _judge(node.spot, image, image != node.text)
    for _, text in tree.all_texts():
        if text.is_job or "compose" in text.name:
            for number, line in enumerate(without_comments(text), 1):
                if found := _IMAGE_LINE.match(line):
                    yield from _judge(Spot(text.path, number), found[1], False)


def _judge(spot: Spot, image: str, by_variable: bool) -> Iterator[Match]:
    last = image.rsplit("/", 1)[-1]
    if "@sha256" in image or "{{" in last or "${" in last:
        return
    if ":" not in last or last.endswith(":latest"):
        how = " through a variable" if by_variable else ""
        yield Match(spot, f"the image `{image}` has no fixed tag{how}")


IMAGES = Rule(
    id="image-without-tag",
    what="a container's image without a tag, or with `latest`",
    why="A restart may run a different program, and two hosts may run different ones.",
    fix="name a tag or, better, a digest",
    find=_images,
)


def _pip(task: AnsibleTask) -> Iterator[Match]:
    node = task.arg("name") if task.module == "pip" else None
    for item in node.items if node else ():
        if item.text.startswith(("git+", "hg+")):
            _, _, path = item.text.split("://", 1)[-1].partition("/")
            _, _, version = path.split("#", 1)[0].partition("@")
            if not version or version in _BRANCHES:
                yield Match(item.spot, "a package from a repository without a tag or a commit")


PIP = Rule(
    id="pip-from-branch",
    what="`pip` with the branch of a repository",
    why="pip installs it again on each run, and the commit changes over time.",
    fix="add `@TAG` or `@COMMIT` to the address",
    find=in_tasks(_pip),
)
