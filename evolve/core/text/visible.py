"""Makes text from models, files and programs safe to print: nothing in it can control the terminal."""

_KEPT = "\n\t"
_CONTROLS = (*range(0x20), *range(0x7F, 0xA0))
_DIRECTIONS = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""C0 and C1 controls, and Unicode's bidirectional embeddings, overrides and isolates, which can reorder a line."""

_HALVES = range(0xD800, 0xE000)
"""Halves of surrogate pairs: a model that cuts an emoji in two answers with one, and no UTF-8 can hold it."""

_ESCAPES = {
    code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    for code in (*_CONTROLS, *_DIRECTIONS, *_HALVES)
    if chr(code) not in _KEPT
}


def visible(text: str) -> str:
    """Return the text with control characters, changes of direction and lone surrogates as escapes."""
    # No escaped character is printable, and this test is much cheaper than the translation.
    return text if text.isprintable() else text.translate(_ESCAPES)


_HALF_ESCAPES = {code: _ESCAPES[code] for code in _HALVES}


def as_utf8(text: str) -> str:
    r"""Return the text with lone surrogates as escapes such as `\ud83d`, so that UTF-8 can hold it."""
    # Almost every text is ASCII or printable, and both tests are much cheaper than the translation.
    return text if text.isascii() or text.isprintable() else text.translate(_HALF_ESCAPES)
