"""What of an answer is spoken, and what of a transcript was said: text in, text out."""

import re
import unicodedata
from typing import Final

_LONGEST_SENTENCE: Final = 300
"""Characters; a longer one is spoken in parts, so that its first words need not wait for its last."""
_FENCE: Final = "```"
_END: Final = re.compile(r"(?<=[.!?…])[\"')\]]*\s+|\n+|(?<=[\u3002\uff01\uff1f])")
_ABBREVIATION: Final = re.compile(r"(?:^|\s)(?:e\.g|i\.e|etc|vs|Mr|Mrs|Ms|Dr|No|[A-Z])\.$|^\s*\d+\.$", re.MULTILINE)
_PAUSES: Final = re.compile(r"[,;:]\s")
_LINK: Final = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_ADDRESS: Final = re.compile(r"\b(?:https?|ftp)://([^\s/]+)\S*")
_MARKUP: Final = re.compile(r"(?<!\w)[*_~`#>|]+|[*_~`#>|]+(?!\w)|[\\^{}<>|]")
_BULLET: Final = re.compile(r"^\s*[-\u2022\u2013]\s+")
_ASIDE: Final = re.compile(r"\[[^\]]*\]|\([^)]*\)|\*[^*]*\*|♪+")
"""What models of speech write for sounds that are no words: [BLANK_AUDIO], (wind), *coughs*."""


class Sentences:
    """Cuts the parts of an answer into what is spoken at once, as soon as it is complete. Code is not spoken."""

    def __init__(self) -> None:
        self._text = ""
        self._is_code = False

    def add(self, part: str) -> list[str]:
        """Return the sentences that are complete with the next part of the answer."""
        self._text += part
        found: list[str] = []
        while (cut := self._cut()) is not None:
            found.append(cut)
        return [one for text in found if (one := speakable(text))]

    def rest(self) -> list[str]:
        """Return what is left at the answer's end."""
        text, self._text = self._text, ""
        last = "" if self._is_code else speakable(text)
        return [last] if last else []

    def _cut(self) -> str | None:
        """Take the next piece off; empty for code; None where it is not complete."""
        fence = self._text.find(_FENCE)
        if self._is_code:
            return self._leave_code(fence)
        before = self._text if fence < 0 else self._text[:fence]
        end = _end_of_sentence(before)
        if end:
            text, self._text = self._text[:end], self._text[end:]
            return text
        if fence >= 0:
            self._text, self._is_code = self._text[fence + len(_FENCE) :], True
            return before
        return None

    def _leave_code(self, fence: int) -> str | None:
        if fence < 0:
            # Two of its three characters may have come already.
            self._text = self._text[-2:]
            return None
        self._text, self._is_code = self._text[fence + len(_FENCE) :], False
        return ""


def _end_of_sentence(text: str) -> int:
    """Return where the first sentence ends; 0 where it does not end yet."""
    for found in _END.finditer(text):
        if found.start() > _LONGEST_SENTENCE:
            break
        if text[: found.start()].strip() and not _ABBREVIATION.search(text[: found.start()]):
            return found.end()
    return _long_cut(text) if len(text) > _LONGEST_SENTENCE else 0


def _long_cut(text: str) -> int:
    """Return where a sentence that is too long is cut: behind its last comma, else its last space."""
    head = text[:_LONGEST_SENTENCE]
    pauses = [found.end() for found in _PAUSES.finditer(head)]
    return pauses[-1] if pauses else head.rfind(" ") + 1 or len(head)


def speakable(text: str) -> str:
    """Return a sentence as one line of words: without markup, addresses and characters that a program could obey.

    Programs for speech take control characters and `[[...]]` for commands.
    """
    words = _ADDRESS.sub(r"\1", _LINK.sub(r"\1", text))
    words = _MARKUP.sub(" ", _BULLET.sub("", words)).replace("[", " ").replace("]", " ")
    line = "".join(one if unicodedata.category(one)[0] != "C" else " " for one in words)
    line = " ".join(line.split())
    return line if any(one.isalnum() for one in line) else ""


def words_of(transcript: str) -> str:
    """Return what a person said; empty where the transcript has only sounds."""
    line = " ".join(_ASIDE.sub(" ", transcript).split())
    return line if any(one.isalnum() for one in line) else ""
