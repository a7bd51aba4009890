"""YAML front matter: the settings between `---` lines at the top of a Markdown file."""

from typing import NamedTuple

from evolve.core.formats.yaml12 import Document, read_document
from evolve.core.model.errors import InputError, Location, Problem
from evolve.core.model.json_value import JsonValue


class FrontMatter(NamedTuple):
    """The parts of a file with front matter."""

    settings: dict[str, JsonValue]
    document: Document
    """The settings with their places in the file."""
    body: str
    body_line: int
    """The line of the file at which the body begins."""


def split_front_matter(text: str, file: str) -> tuple[dict[str, JsonValue], str]:
    """Return the settings and the text below them; raise what `read_front_matter` raises."""
    found = read_front_matter(text, file)
    return found.settings, found.body


def read_front_matter(text: str, file: str) -> FrontMatter:
    """Return the settings with their places, and the text below them.

    Raises:
        InputError: there are no settings, or they are not a mapping; line numbers count from the top of the file.
    """
    lines = text.splitlines()
    end = next((number for number, line in enumerate(lines[1:], 1) if line.rstrip() == "---"), None)
    if not lines or lines[0].rstrip() != "---" or end is None:
        raise InputError(
            Problem("no front matter: the file must begin with --- lines around its settings", Location(file, 1, 1))
        )
    # A blank line takes the place of the first `---`, so that messages have the right line numbers.
    document = read_document("\n".join(["", *lines[1:end]]), file)
    if not isinstance(document.value, dict):
        raise InputError(Problem("expected front matter with a mapping of settings", Location(file, 2)))
    return FrontMatter(document.value, document, "\n".join(lines[end + 1 :]), end + 2)
