"""Values as short texts: how reports show them, and cut to a size."""

import os
from pathlib import Path

from evolve.core.javascript.values import to_js_string, to_json
from evolve.core.model.json_value import JsonValue


def to_text(value: JsonValue) -> str:
    """Return a value as people read it: text unchanged, structures as JSON."""
    return to_json(value) if isinstance(value, dict | list) else to_js_string(value)


def cut(text: str, limit: int) -> str:
    """Return the start and the end of a long text, and how many characters are left out between them."""
    if len(text) <= limit:
        return text
    head, tail = limit * 2 // 3, limit // 3
    return f"{text[:head]}… [{len(text) - head - tail} characters] …{text[-tail:]}"


def shown_path(path: str) -> str:
    """Return a path from the current folder where it is inside: reports are read on other machines."""
    here = os.getcwd()
    if not path.startswith(here):  # most paths are relative already, and a page of roles has thousands
        return path
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path
