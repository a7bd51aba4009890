"""How to install an optional part of Anneal: hints use the command from here, documents link to docs/install.md."""

from typing import Literal, TypeAlias

Extra: TypeAlias = Literal[
    "formats",
    "embedded",
    "bedrock",
    "vertex",
    "node",
    "ray",
    "pytest",
    "test",
    "gateway",
    "app",
    "voice",
    "power",
    "app_test",
    "infra",
    "molecule",
    "browser",
    "bench",
    "dev",
    "docs",
]
"""The optional parts in pyproject.toml."""


def install_command(extra: Extra) -> str:
    """Return the command that installs an optional part, to be run in Anneal's own folder.

    Anneal is on no package index yet, so a name alone finds nothing. A release changes this line and docs/install.md.
    """
    if extra == "voice":  # two of its libraries come without their dependencies, and it needs programs and models
        return "./bootstrap.sh voice"
    return f".venv/bin/pip install -e '.[{extra}]'"
