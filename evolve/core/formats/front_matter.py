"""YAML front matter: the settings between `---` lines at the top of a Markdown file."""

from evolve.core.formats.yaml12 import parse_yaml
from evolve.core.model.errors import InputError, Location, Problem
from evolve.core.model.json_value import JsonValue


def split_front_matter(text: str, file: str) -> tuple[dict[str, JsonValue], str]:
    """The settings, and the text below them.

    Raises:
        InputError: there are none, or they are no mapping; line numbers are the file's own.
    """
    lines = text.splitlines()
    end = next((number for number, line in enumerate(lines[1:], 1) if line.rstrip() == "---"), None)
    if not lines or lines[0].rstrip() != "---" or end is None:
        raise InputError(
            Problem("no front matter: the file must begin with --- lines around its settings", Location(file))
        )
    # The blank line stands for the first `---`, so that messages name the right lines.
    front = parse_yaml("\n".join(["", *lines[1:end]]), file)
    if not isinstance(front, dict):
        raise InputError(Problem("front matter must be a mapping", Location(file, 2)))
    return front, "\n".join(lines[end + 1 :])
