"""Finds passwords that stand before their name, or near a word for access: `use X as the password`, `log in with anna and X`.

Here a word or a phrase is hidden only if one of its words is in no list of ordinary words, or if nothing else can be in
its place.
"""
# ruff: noqa: E501, RUF001  (words of many alphabets; a pattern broken over lines is harder to compare with what it matches)

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Final

from evolve.core.cases.access_words import ACCOUNTS, EDGE, access_lines, is_account
from evolve.core.cases.account_pairs import is_no_password
from evolve.core.cases.claim_words import BREAKS
from evolve.core.cases.cued_rules import CuedRule, cued_text, rule
from evolve.core.cases.element_places import element_oddness
from evolve.core.cases.line_elements import elements_of
from evolve.core.cases.oddness import oddness
from evolve.core.cases.password_cues import PasswordCue, lines_with_cues
from evolve.core.cases.said_of_secrets import is_message, is_reference_or_path
from evolve.core.cases.secret_shapes import FILL, SecretSpan
from evolve.core.cases.text_lines import lines_of

_DETERMINERS: Final = (
    r"(?:the|my|our|your|his|her|their|its|a|an|new|old|current|temporary|initial|default|root|admin|das|der|die|dem|den|mein|dein|unser|ein|neues?|le|la|les|mon|ma|mes|notre|votre|un|une|el|mi|su|tu|nuestra|una|nueva|o|os|as|minha|sua|nossa|nova|il|lo|mia|tua|nostra|nuova|"
    r"новый|мой|наш|свой|het|een|mijn|ons|det|den|mitt|mit|moje|nasze|nowe|to|twoje)"
)
_AS: Final = re.compile(
    rf"(?i)[ \t]+[\"'”»]?(?P<as>instead of|de|as|als|comme|como|come|как|в качестве|jako|som|olarak|sebagai|làm|ως|mint|for|to be|für|pour|para|per|для)[ \t]+(?:{_DETERMINERS}[ \t]+){{0,3}}(?:\w{{2,15}}[ \t-]+)?\Z"
)
_IS: Final = re.compile(
    rf"(?i)[\"'”»]?(?:[ \t]+(?:is|was|are|were|used to be|will be|has been|ist|war|est|était|es|era|é|è|это|был|jest|is|är|er|to|—|-|adalah|là|είναι)[ \t]+(?:(?:not|no longer|now|still|probably|also|likely|nicht|mehr)[ \t]+)?|['’]s[ \t]+)(?:{_DETERMINERS}[ \t]+){{1,3}}(?:[\w/-]{{2,15}}[ \t-]+){{0,2}}\Z|(?:是|就是|が|は)(?:我的|我们的|这个|あの|その)?\Z"
)
_VERB: Final = rule(
    r"(?i)(?<![^\W\d_])(?:us(?:e|es|ed|ing)|tr(?:y|ies|ied|ying)|typ(?:e|es|ed|ing)(?:[ \t]in)?|enter(?:s|ed|ing)?|put(?:ting)?(?:[ \t]in)?|key(?:ed)? in|punch(?:ed)? in|insert(?:ed)?|past(?:e|ed)|choos(?:e|ing)|chose|pick(?:ed)?|took|take|gave|give|set|want(?:s|ed)?|ha(?:s|ve|d)|with|"
    r"nimm|nehm\w*|benutz\w*|verwend\w*|gib|eingeben|probier\w*|versuch\w*|tipp\w*|utilis\w*|essa\w*|tape[zr]?|tapé|entre[zr]?|mets|mettez|saisi\w*|us(?:a|á|o|ó|as|ar|é|ando|amos|ato|ata|iamo)|prob\w{1,5}|prueb\w*|pon\w*|introduc\w*|escrib\w*|digit\w*|tent\w{1,4}|inser\w*|prov\w{1,4}|met\w{1,4}|scriv\w*|"
    r"введ\w*|вв[оё]д\w*|использ\w*|попроб\w*|набер\w*|gebruik\w*|probeer\w*|vul|använd\w*|prova\w*|skriv\w*|brug\w*|prøv\w*|użyj|wpisz\w*|spróbuj\w*|kullan\w*|gir\w{1,3}|pakai|gunakan|masukkan|dùng|nhập|thử)[ \t:]+",
    lines=0,
)
_WITH: Final = rule(
    r"(?i)(?<![^\W\d_])(?:with|using|mit|avec|con|com|с|со|z|ze|met|med|ile|dengan|bằng|με|s|se|cu)[ \t]+(?:(?:the|username|user|account|login|benutzer|utilisateur|usuario|usuário|utente|пользовател\w+|identifiant|l['’])[ \t]*)*",
    lines=0,
)
_AND: Final = re.compile(
    r"(?i)[ \t]*(?:/|\||:|,|(?<![^\W\d_])(?:and|und|et|y|e|и|i|en|och|og|ve|dan|và|και|a|și|plus|with|mit|avec|con|com|with)(?=[ \t]))[ \t]*"
)
_OR: Final = re.compile(
    r"(?i)[ \t]*(?:,|/|\||(?<![^\W\d_])(?:and then|and|or|then|also|und|oder|et|ou|y|o|e|и|или|en|of|och|eller|lub|i|ve|veya)(?=[ \t]))[ \t]*"
)
_ACCOUNT: Final = re.compile(r"[\"'`]?[A-Za-zÀ-ɏЀ-ӿ][\w.@\\-]{1,40}[\"'`]?")
_NO_SUBJECT: Final = re.compile(
    r"(?i)(?:what|which|who|where|here|there|it|this|that|these|those|he|she|they|we|you|i|the|a|an|my|our|your|his|her|their|one|so|and|but|if|when|because|only|was|wie|das|dies|die|der|es|ce|c|cela|qui|quel\w*|esto|esta|eso|qual|cual|cuál|quale|questo|questa|isso|essa|"
    r"что|как|какой|это|wat|dit|dat|vad|hvad|hva|jakie|co|ne|bu|apa|ini|itu|ile)(?=[ \t'’]|\Z)"
)
_QUOTE: Final = re.compile(r"[\"'`«“„「]([^\"'`»”“」\n]{2,100})[\"'`»”“」]\Z")
_MOST_BACK: Final = 80
_FAR: Final = 200
_FEW: Final = 3
_SEGMENT: Final = re.compile(r"(?<=[,;–—(])[ \t]*([^,;:–—()\n=]{4,40}?)[ \t]*(?=[,;–—)]|\Z|\n)")
_MOST_WORDS: Final = 4
_BACK_BREAK: Final = re.compile(r"[.!?](?=\s)|[,;:。，；(\[{<>|]|\s[-–—]\s|\s(?:and|but|so|und|et|y|e|и)\s")


class _Places:
    """The places of a rule in a text, by line."""

    def __init__(self, text: str, one: CuedRule) -> None:
        self._matches = list(cued_text(text).matches(one))
        self._starts = [match.start() for match in self._matches]

    def between(self, start: int, end: int) -> list[re.Match[str]]:
        """Return the matches that begin in a part of the text."""
        return self._matches[bisect_left(self._starts, start) : bisect_left(self._starts, end)]


def find_presented_values(text: str) -> Iterator[SecretSpan]:
    """Yield the passwords before their names, and after words for access."""
    cued = {start: cues for start, _, cues in lines_with_cues(text)}
    was_access, last = False, 0
    access = access_lines(text)
    verbs, withs = _Places(text, _VERB), _Places(text, _WITH)
    for start, end in lines_of(text):
        cues = cued.get(start, ())
        for cue in cues:
            yield from _as_password(text, cue, start)
        if any(cue.kind == "password" for cue in cues):
            yield from _appositions(text, start, end)
        is_access = start in access
        if cues or is_access or (was_access and start - last < _FAR):
            yield from _tried(text, verbs.between(start, end), end)
        if is_access:
            yield from _with_password(text, withs.between(start, end), end)
        if end > start:
            was_access, last = bool(cues) or is_access, end


def _as_password(text: str, cue: PasswordCue, start: int) -> Iterator[SecretSpan]:
    """Yields X of `use X as the password` and of `X is the password`."""
    low = max(start, cue.start - _MOST_BACK - 40)
    head = text[low : cue.start]
    link = _AS.search(head) or _IS.search(head)
    if link is None:
        return
    is_as = link.re is _AS
    subject = head[: link.start()]
    if quoted := _QUOTE.search(head[: link.start() + 1]) or _QUOTE.search(subject):
        if not is_message(quoted[1]):
            yield SecretSpan(low + quoted.start(1), low + quoted.end(1))
        return
    if is_as:
        verbs = list(_VERB.pattern.finditer(subject))
        at = verbs[-1].end() if verbs else len(subject.rstrip()) - len(subject.split()[-1]) if subject.split() else 0
        if link["as"].lower() not in ("de", "for", "to be", "für", "pour", "para", "per", "для") or _is_odd(
            subject[at:]
        ):
            yield from _subject(subject, at, low)
    else:
        breaks = list(_BACK_BREAK.finditer(subject))
        yield from _subject(subject, breaks[-1].end() if breaks else 0, low)


def _subject(subject: str, at: int, low: int) -> Iterator[SecretSpan]:
    value = subject[at:]
    start = at + len(value) - len(value.lstrip(EDGE))
    value = value.strip(EDGE)
    if (
        value
        and len(value.split()) <= _MOST_WORDS
        and not _NO_SUBJECT.match(value)
        and not is_no_password(value)
        and len(value) > 2
    ):
        yield SecretSpan(low + start, low + start + len(value))


def _tried(text: str, verbs: Iterable[re.Match[str]], end: int) -> Iterator[SecretSpan]:
    """Yields what somebody typed or tried: `tried honeymoon and honeymoon2`, `enter root, blue monday`."""
    for verb in verbs:
        if verb[0].lower().startswith(("with", "ha", "set", "want", "met", "took", "take", "give", "gave")):
            continue
        stop = _clause_end(text, verb.end(), end)
        yield from _items(text, verb.end(), stop)


def _items(text: str, at: int, stop: int) -> Iterator[SecretSpan]:
    items = list(_divided(text, at, stop))
    if len(items) > 1 and text[slice(*items[0])].strip(EDGE).lower() in ACCOUNTS:
        yield from _unless_ordinary(text, *items[1], is_sure=True)
        return
    for item in items[:4]:
        found = list(_unless_ordinary(text, *item, is_sure=False))
        if not found:
            return
        yield from found


def _divided(text: str, at: int, stop: int) -> Iterator[tuple[int, int]]:
    for sign in _OR.finditer(text, at, stop):
        if sign.start() > at:
            yield at, sign.start()
        at = sign.end()
    if stop > at:
        yield at, stop


def _with_password(text: str, withs: Iterable[re.Match[str]], end: int) -> Iterator[SecretSpan]:
    """Yields X of `log in with anna and X`, `logged in as admin with X`."""
    for word in withs:
        at = word.end()
        account = _ACCOUNT.match(text, at, end)
        link = _AND.match(text, account.end(), end) if account else None
        if link and FILL in text[link.end() : link.end() + _MOST_BACK]:
            continue  # the password is masked already
        if link and link[0].strip() and account and not is_reference_or_path(account[0]):
            second = list(
                _unless_ordinary(
                    text, link.end(), _clause_end(text, link.end(), end, is_list=True), is_sure=is_account(account[0])
                )
            )
            yield from second or _unless_ordinary(text, at, account.end(), is_sure=False)
        else:
            yield from _unless_ordinary(text, at, _clause_end(text, at, end), is_sure=False)


def _clause_end(text: str, at: int, end: int, *, is_list: bool = False) -> int:
    found = BREAKS.search(text, at, end)
    while not is_list and found and text[found.start()] in ",/" and text[found.start() + 1 : found.start() + 2] == " ":
        found = BREAKS.search(text, found.end(), end)
    return found.start() if found else end


def _unless_ordinary(text: str, at: int, stop: int, *, is_sure: bool) -> Iterator[SecretSpan]:
    value = text[at:stop]
    if quoted := re.match(r"[ \t]*[\"'`«“„「]([^\"'`»”“」\n]{2,100})[\"'`»”“」]", value):
        start, value = at + quoted.start(1), quoted[1]
        is_sure = True
    else:
        start = at + len(value) - len(value.lstrip(EDGE))
        value = value.strip(EDGE)
    words = value.split()
    if not words or len(words) > _MOST_WORDS or FILL in value or is_no_password(value) or _NO_SUBJECT.match(value):
        return
    if is_sure or _is_odd(value):
        yield SecretSpan(start, start + len(value))


def _is_odd(value: str) -> bool:
    return any(not one.is_sign and element_oddness(one) for one in elements_of(value.strip(EDGE)))


def _appositions(text: str, start: int, end: int) -> Iterator[SecretSpan]:
    """Yields short segments between commas that say nothing: `a silly one, bananaphone, for the admin's password`."""
    for segment in _SEGMENT.finditer(text, start, end):
        value = segment[1].strip(EDGE)
        at = segment.start(1) + segment[1].index(value) if value else 0
        words = value.split()
        is_unlisted = 0 < len(words) <= _FEW and all(word.isalpha() and oddness(word) for word in words)
        if is_unlisted and not _NO_SUBJECT.match(value) and not is_no_password(value):
            yield SecretSpan(at, at + len(value))
