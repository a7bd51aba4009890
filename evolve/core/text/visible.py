"""Text from models, files and programs as a terminal may show it: nothing in it acts on the terminal."""

_KEPT = "\n\t"
_CONTROLS = (*range(0x20), *range(0x7F, 0xA0))
_DIRECTIONS = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
_ESCAPES = {
    code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    for code in (*_CONTROLS, *_DIRECTIONS)
    if chr(code) not in _KEPT
}


def visible(text: str) -> str:
    """The text with control characters (colours, cursor moves, titles) and changes of direction as escapes."""
    # Nothing that is escaped is printable, and the test is much cheaper than the translation.
    return text if text.isprintable() else text.translate(_ESCAPES)
