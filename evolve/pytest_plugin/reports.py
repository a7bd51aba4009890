"""Reports and warnings on their way from a worker of pytest-xdist, which can carry UTF-8 only.

A lone surrogate in one of them ends the worker, and xdist may then end the run with exit code 0.
"""

import warnings
from typing import Any

from evolve.core.text.visible import as_utf8


def report_as_utf8(value: Any) -> Any:
    """Return a serialized report with the lone surrogates of all its texts as escapes."""
    if isinstance(value, str):
        return as_utf8(value)
    if isinstance(value, dict):
        return {report_as_utf8(key): report_as_utf8(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(report_as_utf8, value)) if type(value) in (list, tuple) else value
    return value


def escape_warning(recorded: warnings.WarningMessage) -> None:
    """Replace the message of a recorded warning by one that UTF-8 can hold; its category stays."""
    text = str(recorded.message)
    if as_utf8(text) != text:
        recorded.message = _same_category(recorded.category, as_utf8(text))


def _same_category(category: type[Warning], text: str) -> Warning:
    try:
        return category(text)
    except TypeError:  # a category whose constructor takes more than a text
        return UserWarning(text)
