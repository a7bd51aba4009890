"""XML: checks that a text is well-formed, finds elements in other text, and reads what an element holds.

Python's own expat checks that a text is well-formed: strict, with namespaces, no network. A document type with
declarations of its own is refused before its entities can grow. Elements are read leniently into the tree that
promptfoo's paths go through: an element with neither attributes nor children is its text, attributes are `@_name`,
repeated elements are a list.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from evolve.core.javascript.values import JS_SPACE, js_strip

Tree: TypeAlias = "str | dict[str, Tree] | list[Tree]"

_MAX_DEPTH: Final = 100
"""Deeper nesting is refused: reading an element recurses once per level."""


class XmlError(ValueError):
    """The text is not XML; the message has the reason."""


def check_well_formed(text: str) -> None:
    """Raise XmlError unless the whole text is one XML document."""
    from xml.parsers import expat

    if text.startswith("\ufeff"):
        text = text[1:]
    parser = expat.ParserCreate("utf-8", namespace_separator=" ")
    parser.StartDoctypeDeclHandler = _check_doctype
    try:
        parser.Parse(text.encode("utf-8", "strict"), True)
    except expat.ExpatError as exc:
        raise XmlError(f"{expat.ErrorString(exc.code)} at line {exc.lineno}, column {exc.offset + 1}") from None
    except UnicodeEncodeError:
        raise XmlError("it holds an unpaired surrogate") from None


def _check_doctype(_name: str, system_id: str | None, _public_id: str | None, has_internal_subset: bool) -> None:
    if has_internal_subset:
        raise XmlError("its document type declares entities or elements, which is not supported")
    if system_id is not None and "#" in system_id:
        raise XmlError("the system identifier of its document type has a fragment")


def read_tree(text: str) -> Mapping[str, Tree]:
    """Return what the elements of the text hold; wrong nesting is not an error here.

    Raises:
        XmlError: a tag, a comment or a section does not end, or elements nest deeper than 100.
    """
    root = _Element("")
    _Builder(text, root).build()
    tree = root.tree()
    return tree if isinstance(tree, dict) else {}


def has_path(tree: object, path: str) -> bool:
    """Return whether `path` (`jobs.job.1.@_id`) leads to something; a part of the path may be an index of a list."""
    current = tree
    for part in path.split("."):
        if isinstance(current, list):
            if not _INDEX.fullmatch(part) or int(part) >= len(current):
                return False
            current = current[int(part)]
        elif isinstance(current, Mapping) and part in current:
            current = current[part]
        else:
            return False
    return True


_INDEX: Final = re.compile("0|[1-9][0-9]{0,8}")
"""At most nine digits: no list is longer, and Python refuses to convert thousands of digits."""


# --- What an element holds -------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Element:
    name: str
    attributes: dict[str, Tree] = field(default_factory=dict)
    children: list["_Element"] = field(default_factory=list)
    text: str = ""

    def tree(self) -> Tree:
        tree: dict[str, Tree] = {}
        for child in self.children:
            _add(tree, child.name, child.tree())
        if not tree and not self.attributes:
            return self.text
        if self.text:
            tree["#text"] = self.text
        tree.update(self.attributes)
        return tree


def _add(tree: dict[str, Tree], name: str, value: Tree) -> None:
    known = tree.get(name)
    if known is None:
        tree[name] = value
    elif isinstance(known, list):
        known.append(value)
    else:
        tree[name] = [known, value]


_TAG_BODY: Final = re.compile(r"""(?:[^>"']|"[^"]*"|'[^']*')*""")
_INSTRUCTION_BODY: Final = re.compile(r"""(?:[^?"']|\?(?!>)|"[^"]*"|'[^']*')*""")
_FIRST_SPACE: Final = re.compile(f"[{JS_SPACE}]")
_ATTRIBUTE: Final = re.compile(rf"""([^{JS_SPACE}=]+)[{JS_SPACE}]*(=[{JS_SPACE}]*(?:"[^"]*"|'[^']*'))?""")
_FORBIDDEN_NAMES: Final = frozenset(("__proto__", "constructor", "prototype"))


class _Builder:
    def __init__(self, text: str, root: _Element) -> None:
        self._text = re.sub("\r\n?", "\n", text)
        self._root = root
        self._open: list[_Element] = [root]

    def build(self) -> None:
        text, at = self._text, 0
        while (start := text.find("<", at)) >= 0:
            self._open[-1].text += js_strip(text[at:start])
            at = self._markup(start)

    def _markup(self, start: int) -> int:
        """Read what begins with `<` at `start`; return where it ends."""
        text = self._text
        if text.startswith("</", start):
            if len(self._open) > 1:
                self._open.pop()
            return self._after(">", start)
        if text.startswith("<?", start):
            return self._instruction(start)
        if text.startswith("<!--", start):
            return self._after("-->", start + 4)
        if text.startswith("<![", start):
            end = self._after("]]>", start)
            self._open[-1].text += text[start + 9 : end - 3]
            return end
        if text.startswith("<!D", start):
            return self._doctype(start)
        return self._element(start)

    def _after(self, mark: str, start: int) -> int:
        end = self._text.find(mark, start)
        if end < 0:
            raise XmlError(f"{mark} is missing after {self._text[start : start + 20]!r}")
        return end + len(mark)

    def _doctype(self, start: int) -> int:
        end = self._after(">", start)
        if "[" in self._text[start:end]:
            raise XmlError("its document type declares entities or elements, which is not supported")
        return end

    def _body(self, pattern: re.Pattern[str], start: int, mark: str) -> tuple[str, int]:
        found = pattern.match(self._text, start)
        end = found.end() if found else start
        if not self._text.startswith(mark, end):
            raise XmlError(f"{mark} is missing after {self._text[start : start + 20]!r}")
        return self._text[start:end], end + len(mark)

    def _instruction(self, start: int) -> int:
        body, end = self._body(_INSTRUCTION_BODY, start + 1, "?>")
        self._open[-1].children.append(_start(body))
        return end

    def _element(self, start: int) -> int:
        body, end = self._body(_TAG_BODY, start + 1, ">")
        is_empty = body.endswith("/")
        element = _start(body[:-1] if is_empty else body)
        self._open[-1].children.append(element)
        if not is_empty:
            if len(self._open) > _MAX_DEPTH + 1:
                raise XmlError(f"elements nest deeper than {_MAX_DEPTH}")
            self._open.append(element)
        return end


def _start(body: str) -> _Element:
    parts = _FIRST_SPACE.split(body, maxsplit=1)
    if parts[0] in _FORBIDDEN_NAMES:
        raise XmlError(f"an element cannot be called {parts[0]}")
    found = _ATTRIBUTE.findall(parts[1]) if len(parts) > 1 else ()
    return _Element(parts[0], {f"@_{name}": value for name, value in found})


# --- Elements in other text ------------------------------------------------------------------------------------------

_NAME_START: Final = (
    ":_A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d\u2070-\u218f\u2c00-\u2fef"
    "\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_TAG: Final = re.compile(
    rf"""<(?P<closing>/?)(?P<name>[{_NAME_START}][{_NAME_START}\-.0-9\u00b7\u0300-\u036f\u203f\u2040]*)"""
    r"""(?P<rest>(?:[^<>"']|"[^"]*"|'[^']*')*)>"""
)


@dataclass(frozen=True, slots=True)
class ElementSpan:
    """A balanced element, or several siblings, from `start` to `end`."""

    start: int
    end: int
    parent: int | None = None
    """Where the open tag around it starts."""


def element_spans(text: str) -> Sequence[ElementSpan]:
    """Return the outermost balanced elements; before them, all siblings of one parent as one span."""
    found = list(_balance(text))
    starts = {span.start for span in found}
    outer = [span for span in found if span.parent is None or span.parent not in starts]
    siblings: dict[int | None, list[ElementSpan]] = {}
    for span in outer:
        siblings.setdefault(span.parent, []).append(span)
    joined = [
        ElementSpan(min(span.start for span in group), max(span.end for span in group))
        for group in siblings.values()
        if len(group) > 1
    ]
    return [*joined, *sorted(outer, key=lambda span: (span.start, -span.end))]


def _balance(text: str) -> Iterator[ElementSpan]:
    opened: list[tuple[str, int]] = []
    at = text.find("<")
    while at >= 0:
        end = _declaration_end(text, at) if text.startswith(("<!", "<?"), at) else None
        tag = None if end is not None else _TAG.match(text, at)
        if tag is not None:
            end = tag.end()
            yield from _balance_by(tag, opened)
        at = text.find("<", at + 1 if end is None else end)


def _balance_by(tag: re.Match[str], opened: list[tuple[str, int]]) -> Iterator[ElementSpan]:
    if not tag["closing"]:
        if js_strip(tag["rest"]).endswith("/"):
            yield ElementSpan(tag.start(), tag.end(), opened[-1][1] if opened else None)
        else:
            opened.append((tag["name"], tag.start()))
    elif opened and opened[-1][0] == tag["name"]:
        start = opened.pop()[1]
        yield ElementSpan(start, tag.end(), opened[-1][1] if opened else None)
    else:
        opened.clear()


def _declaration_end(text: str, start: int) -> int:
    for head, tail in (("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>")):
        if text.startswith(head, start):
            end = text.find(tail, start + len(head))
            return len(text) if end < 0 else end + len(tail)
    return _markup_declaration_end(text, start + 2)


_DECLARATION_PART: Final = re.compile(r"""[\[\]>]|"[^"]*"?|'[^']*'?""")


def _markup_declaration_end(text: str, at: int) -> int:
    """Return where `<!...>` ends; brackets and quotes inside it may hold a `>`."""
    depth = 0
    for found in _DECLARATION_PART.finditer(text, at):
        char = found[0]
        if char == ">" and depth == 0:
            return found.end()
        depth += 1 if char == "[" else -1 if char == "]" and depth else 0
    return len(text)
