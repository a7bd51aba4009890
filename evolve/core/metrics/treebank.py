"""Words and punctuation of an English text by the Penn Treebank's rules.

Source: the tokenizer script of the Penn Treebank project (Robert MacIntyre, 1995). As in the library behind
promptfoo's ROUGE, separators between digits and the dots of acronyms stay, paired double quotes become `` and ''.
"""

import re
from unicodedata import category

from evolve.core.javascript.values import JS_SPACE

_SPACE = re.compile(f"[{JS_SPACE}\u0085]+")
_QUOTE = re.compile("``|''|\"")
_SPLITS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\.{3}", " ... "),
        (r"[:,](?!\d)", r" \g<0> "),
        (r"[;@#$%&]", r" \g<0> "),
        (r"([^.])(?<!(?a:\b)[A-Za-z]\.[A-Za-z])(\.)([\])}>' ]*)\Z", r"\1 \2\3 "),
        (r"[?!]", r" \g<0> "),
        (r"[\]\[(){}<>]", r" \g<0> "),
        (r"--", " -- "),
    )
)
_NOT_IN_WORD = "(?<![\\w\u00b7\u200c\u200d]){}(?![\\w\u00b7\u200c\u200d])"
_CONTRACTIONS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile("([^'])' "), r"\1 ' "),
    (re.compile("'([sSmMdD]) "), r" '\1 "),
    (re.compile("('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) "), r" \1 "),
    *(
        (re.compile(_NOT_IN_WORD.format(pattern), re.IGNORECASE), r" \1 \2 ")
        for pattern in (
            "(can)(not)", "(d)('ye)", "(gim)(me)", "(gon)(na)", "(got)(ta)", "(lem)(me)", "(more)('n)",
            "(wan)(na)(?= )", "('t)(is)", "('t)(was)",
        )
    ),
)  # fmt: skip


def treebank_tokens(text: str) -> list[str]:
    """Return the tokens of one sentence; none for blank text."""
    text = _SPACE.sub(" ", text).strip(" ")
    if not text:
        return []
    if '"' in text or "''" in text or "``" in text:
        text = _with_paired_quotes(text)
    for pattern, replacement in _SPLITS:
        text = pattern.sub(replacement, text)
    text = f" {text} "
    for pattern, replacement in _CONTRACTIONS:
        text = pattern.sub(replacement, text)
    return [token for token in text.split(" ") if token]


def _with_paired_quotes(text: str) -> str:
    parts: list[str] = []
    end, is_open = 0, False
    for quote in _QUOTE.finditer(text):
        is_open = quote[0] == "``" or (not is_open and _opens(text, quote))
        parts += text[end : quote.start()], " `` " if is_open else " '' "
        end = quote.end()
    return "".join(parts) + text[end:]


def _opens(text: str, quote: re.Match[str]) -> bool:
    at = quote.start()
    before = text[at - 1] if at else ""
    if quote.end() == len(text) and at and before not in " <" and category(before) != "Ps":
        return False
    if before and (before in ".!?" or not (before in " <" or category(before)[0] == "P")):
        return False
    return quote[0] == '"' or (at > 0 and _quotes_a_word(text, quote.end()))


def _quotes_a_word(text: str, at: int) -> bool:
    """Return whether two apostrophes before `at` open a quotation: a word follows, and two more close it."""
    following = text[at : at + 1]
    if not following or not (category(following)[0] in "LN" or category(following) in ("Sc", "Ps")):
        return False
    closing = _QUOTE.search(text, at)
    return closing is not None and closing[0] == "''"
