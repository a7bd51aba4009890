"""How an optional part of Anneal is installed: hints take the command from here, documents link to docs/install.md."""

from typing import Literal, TypeAlias

Extra: TypeAlias = Literal[
    "formats", "embedded", "bedrock", "vertex", "pytest", "test", "infra", "molecule", "browser", "dev", "docs"
]
"""The optional parts that pyproject.toml names."""


def install_command(extra: Extra) -> str:
    """Return the command that adds an optional part, as it is typed in Anneal's own folder.

    Anneal is on no package index yet, so a name alone finds nothing. A release changes this line and docs/install.md.
    """
    return f".venv/bin/pip install -e '.[{extra}]'"
