"""HTML: checks that a text is HTML by the HTML5 algorithm, and that a text seems to contain some.

The parser is html5lib: it follows the standard's own algorithm, as promptfoo's does. It knows which elements the
text spells out and which the algorithm adds.
"""

import re
from functools import cache
from typing import Any, Final

from evolve.core.javascript.values import JS_SPACE, js_strip
from evolve.core.model.libraries import import_optional

_MAX_LENGTH: Final = 10 * 1024 * 1024
"""Characters; longer text counts as no HTML. The limit bounds the time that parser and patterns take."""
_WRAPPERS: Final = ("html", "head", "body")
_KNOWN: Final = frozenset(
    (
        "a", "abbr", "address", "area", "article", "aside", "audio", "b", "base", "bdi", "bdo", "blockquote",
        "br", "button", "canvas", "caption", "cite", "code", "col", "colgroup", "data", "datalist", "dd", "del",
        "details", "dfn", "dialog", "div", "dl", "dt", "em", "embed", "fieldset", "figcaption", "figure",
        "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "i", "iframe", "img", "input",
        "ins", "kbd", "label", "legend", "li", "link", "main", "map", "mark", "math", "menu", "meta", "meter",
        "nav", "noscript", "object", "ol", "optgroup", "option", "output", "p", "param", "picture", "pre",
        "progress", "q", "rp", "rt", "ruby", "s", "samp", "script", "section", "select", "slot", "small",
        "source", "span", "strong", "style", "sub", "summary", "sup", "svg", "table", "tbody", "td", "template",
        "textarea", "tfoot", "th", "thead", "time", "title", "tr", "track", "u", "ul", "var", "video", "wbr",
    )
)  # fmt: skip


def html_problem(text: str) -> str | None:
    """Return why the text is not HTML; None when it is."""
    text = js_strip(text)
    if not text:
        return "the output is empty"
    if len(text) > _MAX_LENGTH:
        return "the output is longer than 10 MB"
    if text[:5].lower() == "<?xml":
        return "it begins like XML"
    root, spelt_out = _parse(text)
    body = next((element for element in root if element.tag == "body"), None)
    if body is not None and "body" not in spelt_out and _has_text(body):
        return "there is text outside the elements"
    if not spelt_out and not any(_is_known(element.tag) for element in root.iter()):
        return "it has no known HTML element"
    return None


def _parse(text: str) -> tuple[Any, frozenset[str]]:
    """Return the root element, and which of html, head and body the text spells out."""
    parser = _parser_class()(tree=_builder_class(), namespaceHTMLElements=False)
    root = parser.parse(text)
    return root, frozenset(parser.tree.spelt_out | parser.spelt_out)


@cache
def _parser_class() -> Any:
    base: Any = import_optional("html5lib").HTMLParser

    class Parser(base):  # type: ignore[misc]
        """A parser that notes whether the root comes from a tag; the base class clears its own flag again."""

        spelt_out: frozenset[str] = frozenset()

        @property
        def firstStartTag(self) -> bool:  # noqa: N802 - the library's name
            return self._is_first

        @firstStartTag.setter
        def firstStartTag(self, is_first: bool) -> None:  # noqa: N802
            self._is_first = is_first
            if is_first:
                self.spelt_out = frozenset(("html",))

    return Parser


@cache
def _builder_class() -> Any:
    base: Any = import_optional("html5lib").treebuilders.getTreeBuilder("etree")

    class Builder(base):  # type: ignore[misc]
        """A tree builder that notes the head and body that come from a tag: only their tokens have these fields."""

        def reset(self) -> None:
            self.spelt_out: set[str] = set()
            super().reset()

        def insertElementNormal(self, token: dict[str, Any]) -> Any:  # noqa: N802 - the library's name
            if "selfClosingAcknowledged" in token and token["name"] in _WRAPPERS:
                self.spelt_out.add(token["name"])
            return super().insertElementNormal(token)

    return Builder


def _has_text(body: Any) -> bool:
    return bool(js_strip(body.text or "")) or any(js_strip(child.tail or "") for child in body)


def _is_known(tag: object) -> bool:
    if not isinstance(tag, str):
        return False  # a comment
    name = tag.rpartition("}")[2].lower()
    return name not in _WRAPPERS and (name in _KNOWN or "-" in name)


_NAME: Final = "[a-zA-Z][a-zA-Z0-9-]*"
_OPENING: Final = re.compile(rf"<{_NAME}(?:[{JS_SPACE}]|\Z)")
_SELF_CLOSING: Final = re.compile(rf"<{_NAME}(?:[{JS_SPACE}]|/\Z)")
_CLOSING: Final = re.compile(rf"</{_NAME}[{JS_SPACE}]*\Z")
_ENTITY: Final = re.compile(r"&(?:[a-zA-Z]+|#[0-9]+|#x[0-9a-fA-F]+);")
_DOCTYPE: Final = re.compile(rf"<!DOCTYPE[{JS_SPACE}]+html", re.IGNORECASE | re.ASCII)
_ATTRIBUTE: Final = re.compile(rf"[{JS_SPACE}][a-zA-Z-]+=[{JS_SPACE}]*[\"'][^\"']*[\"']")
_COMMON_TAG: Final = re.compile(
    r"<(html|head|body|div|span|p|a|img|h[1-6]|ul|ol|li|table|tr|td|th|form|input|button|script|style|link|meta|br|hr)\b",
    re.IGNORECASE | re.ASCII,
)


def looks_like_html(text: str) -> bool:
    """Return whether the text has two points of evidence or more.

    An opening and a closing tag 2, one of them 1, a self-closing tag 1, an entity 1, the doctype 2, a comment 1, an
    attribute 1, one of the most common tags 2. The points are promptfoo's.
    """
    if len(text) > _MAX_LENGTH:
        return False
    # Search each piece that ends with `>` by itself: a search through the whole text could take quadratic time.
    pieces = text.split(">")[:-1]
    points = any(map(_OPENING.search, pieces)) + any(map(_CLOSING.search, pieces))
    points += any(piece.endswith("/") and _SELF_CLOSING.search(piece) is not None for piece in pieces)
    points += _ENTITY.search(text) is not None
    points += 2 * (_DOCTYPE.search(text) is not None)
    points += _has_comment(text)
    points += _ATTRIBUTE.search(text) is not None
    points += 2 * (_COMMON_TAG.search(text) is not None)
    return points >= 2


def _has_comment(text: str) -> bool:
    """Return whether the first `--` after some `<!--` ends the comment."""
    at = text.find("<!--")
    while at >= 0:
        end = text.find("--", at + 4)
        if end < 0:
            return False
        if text.startswith(">", end + 2):
            return True
        at = text.find("<!--", at + 1)
    return False
