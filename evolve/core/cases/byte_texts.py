"""Reads texts that a program wrote as bytes: hex dumps with or without characters next to them, and lists of numbers."""
# ruff: noqa: E501  (a pattern broken over lines is harder to compare with what it matches)

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from evolve.core.cases.secret_shapes import SecretSpan

_DUMP_LINE: Final = re.compile(
    r"(?m)^[ \t]{0,20}(?:0x)?[0-9a-fA-F]{4,16}:?[ \t]{1,4}(?P<hex>(?:[0-9a-fA-F]{2}){1,4}(?:[ \t]{1,3}(?:[0-9a-fA-F]{2}){1,4}){0,15})"
    r"(?:[ \t]{1,60}[|>]?(?P<text>[^\n|]{1,32})[|<]?)?[ \t]*\r?$"
)
"""A line of `xxd`, `hexdump -C` or `tcpdump -X`: offset, bytes, characters."""
_NUMBERS: Final = re.compile(r"[\[{(<](?:Buffer)?((?:\s{0,9}\d{1,3}\s{0,3},){7,4000}\s{0,9}\d{1,3})\s{0,9}[\]})>]")
_PAIRS: Final = re.compile(r"(?<![\w:])(?:(?:0x)?[0-9a-fA-F]{2}[ :,]{1,2}){7,4000}(?:0x)?[0-9a-fA-F]{2}(?![\w:])")
_WORD: Final = re.compile(r"(?<![0-9a-fA-F])(?:[2-7][0-9a-fA-F]|0[9aAdD]){8,4000}(?![0-9a-fA-F])")
"""Hex digits that are printable characters only: a hash has others."""
_NUMBER: Final = re.compile(r"\d{1,3}")
_BYTE: Final = re.compile(r"[0-9a-fA-F]{2}")
_PREFIXED_BYTE: Final = re.compile(r"(?<=0x)[0-9a-fA-F]{2}|(?<![0-9a-fA-Fx])[0-9a-fA-F]{2}(?!x)")
_LEAST_PRINTABLE: Final = 0.8
_FEWEST: Final = 5


class ByteText(NamedTuple):
    """The text that some bytes are, and where each byte is written: as a number, and perhaps as a character."""

    text: str
    places: list[tuple[SecretSpan, ...]]

    def spans(self, start: int, end: int) -> Iterator[SecretSpan]:
        """Yield the places of a part of the text: from the first number to the last, and the characters next to them."""
        numbers = [places[0] for places in self.places[start:end]]
        yield SecretSpan(numbers[0].start, numbers[-1].end)
        yield from (places[1] for places in self.places[start:end] if len(places) > 1)


def byte_texts(text: str) -> Iterator[ByteText]:
    """Yield every text that is written as bytes and mostly printable."""
    for found in (*_dumps(text), *_lists(text)):
        shown = found.text
        if len(shown) >= _FEWEST and sum(map(str.isprintable, shown)) >= _LEAST_PRINTABLE * len(shown):
            yield found


def _dumps(text: str) -> Iterator[ByteText]:
    """Yields the text of each run of lines of a dump."""
    run: list[re.Match[str]] = []
    for line in _DUMP_LINE.finditer(text):
        if run and line.start() != run[-1].end() + 1:
            yield _joined([byte for one in run for byte in _bytes_of(one)])
            run = []
        run.append(line)
    if run:
        yield _joined([byte for one in run for byte in _bytes_of(one)])


def _bytes_of(line: re.Match[str]) -> Iterator[tuple[int, tuple[SecretSpan, ...]]]:
    found = list(_BYTE.finditer(line.string, *line.span("hex")))
    beside = line.start("text") if line["text"] and len(line["text"].rstrip()) >= len(found) - 1 else -1
    for number, byte in enumerate(found):
        places = [SecretSpan(*byte.span())]
        if beside >= 0 and beside + number < line.end("text"):
            places.append(SecretSpan(beside + number, beside + number + 1))
        yield int(byte[0], 16), tuple(places)


def _lists(text: str) -> Iterator[ByteText]:
    for match in _NUMBERS.finditer(text):
        numbers = list(_NUMBER.finditer(text, *match.span(1)))
        if all(int(number[0]) < 256 for number in numbers):
            yield _joined([(int(number[0]), (SecretSpan(*number.span()),)) for number in numbers])
    for pattern, part in ((_PAIRS, _PREFIXED_BYTE), (_WORD, _BYTE)):
        for match in pattern.finditer(text):
            found = part.finditer(text, *match.span())
            yield _joined([(int(byte[0], 16), (SecretSpan(*byte.span()),)) for byte in found])


def _joined(found: list[tuple[int, tuple[SecretSpan, ...]]]) -> ByteText:
    return ByteText("".join(chr(code) for code, _ in found), [places for _, places in found])
