"""Env files (`.env`): a variable on each line, as the npm package dotenv reads them.

A small reader of our own: the format has no standard, and a suite's variables must be those that promptfoo has.
python-dotenv reads comments, backticks, `NAME: value`, escapes in quotes and quotes that do not end in another way.
"""

import re
from typing import Final

_NAME: Final = re.compile(r"^[ \t]*(?:export[ \t]+)?([\w.-]+)[ \t]*(?:=|:[ \t])[ \t]*", re.M)
_QUOTES: Final = "'\"`"


def parse_env_file(text: str) -> dict[str, str]:
    """Return the variables; a later one wins.

    Values in quotes may have several lines; only in double quotes, a backslash and an n are a line break. Other values
    end at a `#` or at the end of the line. Lines without a name and `=` are skipped, as dotenv skips them.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    found: dict[str, str] = {}
    at = 0
    while (name := _NAME.search(text, at)) is not None:
        value, at = _value(text, name.end())
        found[name[1]] = value
    return found


def _value(text: str, start: int) -> tuple[str, int]:
    """Return the value that begins at `start`, and where it ends."""
    quote = text[start : start + 1]
    if quote and quote in _QUOTES:
        quoted = re.compile(rf"(?:\\{quote}|[^{quote}])*{quote}").match(text, start + 1)
        if quoted is not None:
            rest = _line(text, quoted.end())
            if rest.partition("#")[0].strip() == "":
                return _unquoted(text[start : quoted.end()]), quoted.end() + len(rest)
    line = _line(text, start)
    return _unquoted(line.partition("#")[0].strip()), start + len(line)


def _line(text: str, start: int) -> str:
    return text[start:].partition("\n")[0]


def _unquoted(value: str) -> str:
    """Return the value without the quotes around it, if both ends have the same."""
    quote = value[:1]
    inner = value[1:-1] if len(value) > 1 and quote in _QUOTES and value[-1] == quote else value
    return inner.replace("\\n", "\n").replace("\\r", "\r") if quote == '"' else inner
