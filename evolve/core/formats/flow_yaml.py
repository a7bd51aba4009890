"""YAML's flow style (`{a: 1, b: [x, 'y']}`) as promptfoo's reader accepts it: JSON the way models often write it.

Source: YAML 1.2.2, chapter 7. libyaml, which reads our suites, refuses what this must accept: `{:}`, `{:x}`, escaped
surrogate pairs. A repeated key counts once, the last time; lists and mappings cannot be keys; of tags only `!` and
`!!str` are known; nesting ends at 100.
"""

import re
from typing import Final

from evolve.core.formats.yaml12 import key_text, plain_scalar
from evolve.core.model.json_value import JsonValue

MAX_DEPTH: Final = 100
"""Deeper nesting is refused: the reader recurses once per level, and Python's stack must not overflow."""
_INDICATORS: Final = ",[]{}"
_SPACE: Final = " \t\r\n"
_NO_PLAIN_START: Final = frozenset("#&*!|>'\"%@`,[]{} \t\r\n")
# The patterns follow the productions of YAML 1.2.2. Each consumes a whole run of text: one match per character would
# make long texts slow.
_GAP: Final = re.compile(r"(?:[ \t\r\n]+|(?:(?<=[ \t\r\n])|\A)#[^\r\n]*)*")
_SINGLE: Final = re.compile(r"'((?:''|[^'\x00-\x08\x0b\x0c\x0e-\x1f])*)'")
_ESCAPE: Final = r"\\(?:[0abt\tnvfre \"/\\N_LP\n]|\r\n?|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})"
_DOUBLE: Final = re.compile(rf'"((?:{_ESCAPE}|[^"\\\x00-\x08\x0b\x0c\x0e-\x1f])*)"')
_NAME: Final = re.compile(r"[^ \t\r\n,\[\]{}]+")
_PLAIN: Final = re.compile(r"(?:[^:#,\[\]{}]|:(?![ \t\r\n,\[\]{}]|\Z)|(?<![ \t\r\n])#)+")
_SEPARATOR: Final = re.compile(r"^(?:---|\.\.\.)(?=[ \t\r\n]|\Z)", re.MULTILINE)
_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_FOLD: Final = re.compile(r"[ \t]*(\r\n?|\n)(?:[ \t]|\r\n?|\n)*")
_BREAK: Final = re.compile(r"\r\n?|\n")
_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\d|\d{4}-\d\d?-\d\d?(?:[Tt]|[ \t]+)\d\d?:\d\d:\d\d(?:\.\d*)?(?:[ \t]*(?:Z|[-+]\d\d?(?::\d\d)?))?"
)
_ESCAPES: Final = {
    "0": "\0", "a": "\a", "b": "\b", "t": "\t", "\t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "e": "\x1b",
    " ": " ", '"': '"', "/": "/", "\\": "\\", "N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029",
}  # fmt: skip


class FlowYamlError(ValueError):
    """The text is not a mapping or a list in flow style."""


def read_flow_yaml(text: str) -> JsonValue:
    """Return the value of a text that is exactly one mapping or list.

    Raises:
        FlowYamlError: the text is anything else.
    """
    reader = _Reader(text)
    value = reader.node(0)
    reader.skip()
    if reader.at < len(text):
        raise FlowYamlError(f"expected the end of the text, got {text[reader.at : reader.at + 20]!r}")
    return value


_MISSING: Final = object()
_MERGE: Final = object()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self._anchors: dict[str, JsonValue] = {}

    def skip(self) -> None:
        """Go over white space, line breaks and comments."""
        found = _GAP.match(self.text, self.at)
        self.at = found.end() if found else self.at

    def _next(self) -> str:
        return self.text[self.at : self.at + 1]

    def _take(self, pattern: re.Pattern[str], what: str) -> re.Match[str]:
        found = pattern.match(self.text, self.at)
        if found is None:
            raise FlowYamlError(f"expected {what} at {self.text[self.at : self.at + 20]!r}")
        self.at = found.end()
        return found

    def node(self, depth: int) -> JsonValue:
        """Return the node here; raise FlowYamlError when there is none."""
        value = self._maybe_node(depth)
        if value is _MISSING or value is _MERGE:
            raise FlowYamlError("expected a value")
        return value  # type: ignore[return-value]

    def _maybe_node(self, depth: int) -> object:
        if depth >= MAX_DEPTH:
            raise FlowYamlError("nested too deeply")
        if _SEPARATOR.match(self.text, self.at):
            return _MISSING
        start = self.at
        tag, anchor = self._properties()
        # Nothing may follow a tag or an anchor at the very beginning of a later line.
        is_over = (tag or anchor) and self.text[self.at - 1] in "\r\n" and _BREAK.search(self.text, start, self.at)
        value = _MISSING if is_over else self._content(depth, tag)
        if value is _MISSING and (tag or anchor):
            value = "" if tag else None
        if anchor:
            self._anchors[anchor] = None if value is _MERGE else value  # type: ignore[assignment]
        return value

    def _properties(self) -> tuple[str, str]:
        tag = anchor = ""
        while (char := self._next()) in ("!", "&") and char:
            if char == "!" and not tag:
                tag = self._take(_NAME, "a tag")[0]
            elif char == "&" and not anchor:
                self.at += 1
                anchor = self._take(_NAME, "the name of an anchor")[0]
            else:
                raise FlowYamlError("expected one tag and one anchor at most")
            self.skip()
        if tag not in ("", "!", "!!str"):
            raise FlowYamlError(f"unknown tag {tag}")
        return tag, anchor

    def _content(self, depth: int, tag: str) -> object:
        char = self._next()
        if char in ("{", "["):
            if tag == "!!str":
                raise FlowYamlError("expected text, got a list or a mapping")
            return self._read_mapping(depth) if char == "{" else self._list(depth)
        if char == "'":
            return _fold_lines(self._read_quoted(_SINGLE)).replace("''", "'")
        if char == '"':
            return _unescape(self._read_quoted(_DOUBLE))
        if char == "*":
            return self._alias()
        return self._plain(tag)

    def _read_quoted(self, pattern: re.Pattern[str]) -> str:
        body = self._take(pattern, "the end of a quoted text")[1]
        if "\n" in body and _SEPARATOR.search(body, body.index("\n")):
            raise FlowYamlError("the document ends inside quotes")
        return body

    def _alias(self) -> object:
        self.at += 1
        name = self._take(_NAME, "the name of an anchor")[0]
        if name not in self._anchors:
            raise FlowYamlError(f"unknown anchor {name}")
        return self._anchors[name]

    def _plain(self, tag: str) -> object:
        char, following = self._next(), self.text[self.at + 1 : self.at + 2]
        if not char or char in _NO_PLAIN_START:
            return _MISSING
        if char in "?-" and (not following or following in _SPACE or following in _INDICATORS):
            return _MISSING
        found = _PLAIN.match(self.text, self.at)
        word = found[0].rstrip(_SPACE) if found else ""
        if "\n" in word and (cut := _SEPARATOR.search(self.text, self.at + 1)) and cut.start() < self.at + len(word):
            word = self.text[self.at : cut.start()].rstrip(_SPACE)
        if not word:
            return _MISSING
        if _UNPRINTABLE.search(word):
            raise FlowYamlError("a character that cannot be printed")
        self.at += len(word)
        text = _fold_lines(word)
        if tag:
            return text
        return _MERGE if text == "<<" else _resolve_type(text)

    def _read_mapping(self, depth: int) -> JsonValue:
        mapping: dict[str, JsonValue] = {}
        merged: set[str] = set()
        self.at += 1
        while not self._is_end("}"):
            is_explicit = self._explicit_key()
            key = self._maybe_node(depth + 1)
            self.skip()
            value: JsonValue = None
            if self._next() == ":":
                self.at += 1
                self.skip()
                given = self._maybe_node(depth + 1)
                value = "<<" if given is _MERGE else None if given is _MISSING else given  # type: ignore[assignment]
            elif key is _MISSING and not is_explicit:
                raise FlowYamlError("expected a key")
            _add(mapping, merged, key, value)
            self._comma("}")
        return mapping

    def _list(self, depth: int) -> JsonValue:
        items: list[JsonValue] = []
        self.at += 1
        while not self._is_end("]"):
            is_explicit = self._explicit_key()
            start = self.at
            item = self._maybe_node(depth + 1)
            end = self.at
            self.skip()
            one_line = not _BREAK.search(self.text, start, max(start, end)) and not _BREAK.search(
                self.text, end, self.at
            )
            if self._next() == ":" and (is_explicit or one_line):
                items.append(self._pair(item, depth))
            elif is_explicit:
                items.append(_single(item, None))
            elif item is _MISSING:
                raise FlowYamlError("expected an item")
            else:
                items.append("<<" if item is _MERGE else item)  # type: ignore[arg-type]
            self._comma("]")
        return items

    def _pair(self, key: object, depth: int) -> JsonValue:
        self.at += 1
        self.skip()
        value = self._maybe_node(depth + 1)
        return _single(key, None if value is _MISSING or value is _MERGE else value)  # type: ignore[arg-type]

    def _is_end(self, end: str) -> bool:
        """Return whether the collection ends here, and skip its last character then."""
        self.skip()
        if not self._next():
            raise FlowYamlError(f"{end} is missing")
        if self._next() == ",":
            raise FlowYamlError("expected an entry before the comma")
        if self._next() == end:
            self.at += 1
            return True
        return False

    def _explicit_key(self) -> bool:
        if self._next() == "?" and self.text[self.at + 1 : self.at + 2] in tuple(_SPACE):
            self.at += 1
            self.skip()
            return True
        return False

    def _comma(self, end: str) -> None:
        self.skip()
        if self._next() == ",":
            self.at += 1
        elif self._next() != end:
            raise FlowYamlError(f"expected a comma or {end} at {self.text[self.at : self.at + 20]!r}")


def _resolve_type(text: str) -> JsonValue:
    value = plain_scalar(text)
    if isinstance(value, float) and value in (float("inf"), float("-inf")) and text[-1] in "0123456789":
        return text
    return _Time(text) if value is text and _TIME.fullmatch(text) else value


class _Time(str):
    """A date or time without quotes; JavaScript has an object for it, so it cannot be a key."""

    __slots__ = ()


def _single(key: object, value: JsonValue) -> JsonValue:
    mapping: dict[str, JsonValue] = {}
    _add(mapping, set(), key, value)
    return mapping


def _add(mapping: dict[str, JsonValue], merged: set[str], key: object, value: JsonValue) -> None:
    if key is _MERGE:
        _merge(mapping, merged, value)
    elif isinstance(key, dict | list | _Time):
        raise FlowYamlError("a list, a mapping or a time cannot be a key")
    else:
        name = key_text(None if key is _MISSING else key)  # type: ignore[arg-type]
        mapping[name] = value


def _merge(mapping: dict[str, JsonValue], merged: set[str], value: JsonValue) -> None:
    for source in value if isinstance(value, list) else [value]:
        if not isinstance(source, dict):
            raise FlowYamlError("only mappings can be merged")
        for name, part in source.items():
            if name not in mapping:
                mapping[name] = part
                merged.add(name)


def _fold_lines(text: str) -> str:
    """Fold line breaks as YAML does: one becomes a space, N become N - 1."""
    if "\n" not in text and "\r" not in text:
        return text
    return _FOLD.sub(lambda fold: _fold(fold[0]), text)


def _fold(gap: str) -> str:
    count = len(_BREAK.findall(gap))
    return " " if count == 1 else "\n" * (count - 1)


_UNFOLDED: Final = re.compile(rf"{_ESCAPE}(?:(?<=[\r\n])(?:[ \t]|\r\n?|\n)*)?|[ \t]*(?:\r\n?|\n)(?:[ \t]|\r\n?|\n)*")


def _unescape(body: str) -> str:
    if "\\" not in body:
        return _fold_lines(body)
    text = _UNFOLDED.sub(lambda found: _character(found[0]) if found[0][0] == "\\" else _fold(found[0]), body)
    return _join_surrogates(text) if _HALVES.search(text) else text


def _character(escape: str) -> str:
    code = escape[1]
    if code in "\r\n":
        return ""
    if code in "xuU":
        number = int(escape[2:], 16)
        # Unicode ends there.
        return chr(number) if number < 0x110000 else "\ufffd"
    return _ESCAPES[code]


_HALVES: Final = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def _join_surrogates(text: str) -> str:
    """Replace pairs of surrogates by their characters."""
    return _HALVES.sub(lambda pair: pair[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le"), text)
