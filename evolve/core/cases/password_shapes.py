"""Decides whether a word looks like a password that a person made, and whether it is a known other thing."""

import re
from typing import Final

from evolve.core.cases.cued_rules import remembered
from evolve.core.cases.random_text import looks_random

_SIGN_INSIDE: Final = re.compile(r".[!#$&^@%]")
_LEET: Final = re.compile(r"[A-Za-z](?:[13457]|00?)[a-z]|[a-zA-Z][$@][a-z]|\A[013457][a-z]{3,}")
"""A digit or sign that replaces a letter: `Tr0ub4dor`, `p@ss`; names of code have their digits before a capital."""

_MIDDLE_DIGITS: Final = re.compile(r"[A-Za-z]{3,}\d{1,6}[a-z]{3,}")

_TECHNICAL: Final = re.compile(
    r"(?i)\A(?:(?:base|oauth|sha|md|utf|https?|ipv|win|python|py|ext|ed|mp|ecdsa|aes|rsa|rc|sctp|perl|php|argon|bcrypt|pbkdf|scram|"
    r"pkcs|x|h|v|lib\w{1,12}|vp|amd|arm|eth|enp|ens|wlan|nvme|tls|ssl|bz|gz|lz)\d{1,5}|k8s|i18n|l10n|a11y|s3|d3js|e2fs|log4|p12|m4)"
)
"""Names of technology with a digit inside them: `base64url`, `oauth2proxy`, `log4j`, `libssl3t64`."""

_KNOWN: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r".*[/\\].*|-.*|~.*|.*&&.*|.*&(?:amp|lt|gt|nbsp|quot|#\d+).*|.*%[0-9A-F]{2}.*|.*\*.*",
        r"\$[\w{(].*|%.*|#\d+|.*%[sdrifxj].*|\d+%.*|.*\$\{.*|.*[#$%]\Z",
        r"(?:call|toolu|chatcmpl|cmpl|msg|resp|run|thread|asst|req|evt|step)[_-]\w{6,48}|(?:\d+:)?\d+(?:\.\d+)+[-+~.\w]*|[vV]?\d+(?:[.:_+-]\w+)+|[\d.:,TZ+-]+|\d+[A-Za-z%µ]{1,4}|\d{4}-\d\d.*|.*\d\.\d.*",
        r"(?i:sha\d{1,3}|md5|h1|blake2\w?)[-_:].*|[0-9a-f]{7,40}\.{2,3}[0-9a-f]{7,40}|0x[0-9a-fA-F]+|[0-9a-fA-F]{6,}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-f]{12,40}-[A-Z]{2,5}",
        r"[^@]+@(?:[\w-]+\.)+[a-zA-Z]\w*|[a-z][\w.-]*@[a-z]+(?:-[a-z0-9]+)+|[A-Z0-9]+(?:[-_.][A-Z0-9]+)*|[a-z]+:\d+(?::\w+)*|[A-Z_]{2,}@\d{1,3}|@?[a-z][\w./-]*@\d+\.\d[\w.-]*",
        r"[\w.-]+@[a-z][a-z-]*\d{0,4}|[\w./-]+#L?\d+",
        r"[a-z0-9]+(?:[-_.][a-z0-9]+)+|[a-z]+(?::[\w-]+){2,}",
        r"[a-z]+\d{0,4}|[A-Z][a-z]+\d{0,2}|[A-Za-z]+[-_.]\d{1,3}",
        r"(?:[\w.]+\.)?[A-Z]\w*(?:\$(?:[A-Z]\w*|\d+))+(?:\.\w+)*",
        r"(?:_{0,2}[a-z]\w*\.)+\w*|(?:\w+\.){2,}\w+|\w+\+\+\S*|[\w.-]+\.(?:py|js|ts|go|rs|c|h|java|rb|sh|ya?ml|json|toml|conf|cfg|log|txt|html?|xml|so|"
        r"deb|rpm|gz|zip|service|socket|timer|mount|internal|local|com|org|net|io|example|test|lan|svc|sql|pem|key|crt|md|php|css)\S{0,6}",
    )
)
"""Paths, options, globs, formats, versions, times, sizes, hex, UUIDs, addresses, error codes, names of hosts, pods and
jobs, accounts, classes, files."""

_CERTAIN: Final = 5
"""How many of these patterns, from the first, no password matches."""

_IDENTIFIER: Final = re.compile(r"[a-z]{0,20}(?:[A-Z]{1,6}[a-z]{0,20}\d{0,3}){1,8}|_{0,2}[A-Za-z]\w*_[a-z_]+\d?")


def is_known_thing(word: str) -> bool:
    """Return whether a word has the shape of an id, a name, a number, a path or another thing that readers need."""
    return any(pattern.fullmatch(word) for pattern in _KNOWN)


@remembered
def is_clear_password(word: str) -> bool:
    """Return whether a word looks like a password without any text around it."""
    if len(word) < 6 or _kinds(word) < 3 or not any(map(str.isalpha, word)):
        return False
    is_leet = _is_leet(word)
    if not is_leet and not _SIGN_INSIDE.search(word):
        return False
    if looks_random(word):
        return False  # an id or a token, which other rules judge
    # A digit for a letter next to a capital or a sign is a person's choice; ids have small letters and dashes only.
    is_odd = is_leet and not re.fullmatch(r"[a-z0-9._-]+", word) and not word.isalnum()
    return not _is_certain_thing(word) if is_odd else not is_known_thing(word)


def _is_certain_thing(word: str) -> bool:
    return any(pattern.fullmatch(word) for pattern in _KNOWN[:_CERTAIN])


@remembered
def is_likely_password(word: str) -> bool:
    """Return whether a word looks like a password in a line that speaks of access."""
    if is_clear_password(word):
        return True
    if len(word) < 6 or not any(map(str.isalpha, word)) or _TECHNICAL.match(word):
        return False
    if _MIDDLE_DIGITS.search(word) and not _IDENTIFIER.fullmatch(word) and "_" not in word and "-" not in word:
        return not is_known_thing(word)
    has_digit = any(map(str.isdigit, word))
    is_mixed = has_digit and _kinds(word) >= 3 and (not word.isalnum() or _kinds(word) > 3)
    return (is_mixed or bool(re.search(r".[!#$&^@%?+~]", word))) and not (
        is_known_thing(word) or _IDENTIFIER.fullmatch(word)
    )


@remembered
def is_made_password(word: str) -> bool:
    """Return whether a word may be a password where the text shows that one is there."""
    if len(word) < 5 or not any(map(str.isalpha, word)) or _TECHNICAL.match(word):
        return False
    if is_clear_password(word) or (_kinds(word) == 4 and not _is_certain_thing(word)):
        return True
    if re.fullmatch(r"(?=[A-Z]*[2-7])[A-Z2-7]{16,}", word):
        return True
    has_mark = any(map(str.isdigit, word)) or any(char in "!#$&^@%?+~." for char in word[1:-1]) or word[-1] in "!$#"
    if _kinds(word) >= 3 and any(map(str.isdigit, word)) and _IDENTIFIER.fullmatch(word):
        return True
    return has_mark and (not is_known_thing(word) or re.fullmatch(r"[A-Za-z]{3,}\d{2,6}", word) is not None)


def _is_leet(word: str) -> bool:
    return _LEET.search(word) is not None and not _TECHNICAL.match(word)


def _kinds(word: str) -> int:
    """Returns how many of small letters, capitals, digits and signs a word has."""
    if word.isascii():
        return len(set(word.translate(_ASCII_KINDS)))
    return (
        any(map(str.islower, word))
        + any(map(str.isupper, word))
        + any(map(str.isdigit, word))
        + any(not char.isalnum() for char in word)
    )


def _kind(char: str) -> str:
    if not char.isalnum():
        return "-"
    return "d" if char.isdigit() else "u" if char.isupper() else "l"


_ASCII_KINDS: Final = {code: _kind(chr(code)) for code in range(128)}


_NO_WORD: Final = re.compile(
    r"(?i)(?!(?-i:[A-Z][a-z]+/[A-Z][a-z]+\d*\Z)).*[/\\].*|[\w.-]+@[\w.-]+|-.*|\d.*\d{4}-\d\d.*|(?-i:(?:[a-z0-9-]+\.){1,6}(?:[a-z]{2,}|\d+))|v?\d+(?:[.:,]\d+)*[a-z%]{0,4}|(?:\d+:)?\d+(?:\.\d+)+[-+~.\w]*|.*\.\.\.|"
    r"(?:sha|md|aes|rsa|scram|argon|bcrypt|ed255|ecdsa|tls|ssl|http|oauth|utf|id_|rfc|base|iso|pbkdf)[\w-]*|(?-i:[A-Z]{2,}[-_]?\d+)|(?-i:(?:call|toolu|chatcmpl|cmpl|msg|resp|run|thread|asst|req|evt|step)[_-]\w{6,48})|(?:[a-z]+://).*|.*::.*"
)
"""Paths, addresses, options, dates, hosts, versions, sizes, algorithms, error codes."""
_EXPRESSION: Final = re.compile(r"[A-Za-z_]\w*(?:\.\w+)+[(\[]|[\w.$]+[(\[]\Z")
"""The start of an expression: `os.environ[`, `get(`."""
_SAYS: Final = re.compile(
    r"(?i)(?:.*[-_.])?(?:to|of|the|in|not|no|end|by|for|or|and|on|is|at|a|per|non|re|multi|self|\w*(?:ed|able|ible)|only|time|date|case|sensitive|"
    r"known|length|type|id|name|field|file|hash|policy|key|user|password|secret|token)(?:[-_.].*)?"
)
"""Hyphenated words that speak of the password: `not-case-sensitive`, `up-to-date`, `read-only-user`."""
_PHRASE: Final = re.compile(r"[^\W\d_]{2,}(?:[-_.+][^\W\d_]{2,}){2,8}")
_NUMBERED: Final = re.compile(r"[^\W\d_]{3,}(?:[-_.#+ ][^\W\d_]{2,}){0,5}[-_.# ]?\d{1,8}[!?$#*.]*")
_TITLED: Final = re.compile(r"[A-Z][^\W\d_]{2,}(?:[-_.,;:+*~^!@#$%&=/]{1,2}[^\W\d_]+){1,5}[\d!?#$*.]{0,6}")
_SIGNED: Final = re.compile(r"[^\W\d_]{3,}(?:[*+^~!@#$%&][^\W\d_]{3,}){1,3}\d{0,6}")
_HEX: Final = re.compile(r"(?=\w*\d)[0-9a-f]{8,64}")
_JOINED: Final = re.compile(r"(?:[A-Z][a-z]{2,}){2,5}")


@remembered
def is_shown_password(word: str) -> bool:
    """Return whether a word in the place of a password is one: no ordinary word, path, address or version."""
    if len(word) < 5 or not any(map(str.isalpha, word)):
        return False
    if _EXPRESSION.match(word):
        return False
    if is_made_password(word) or (len(word) >= 8 and _kinds(word) == 4 and not {"/", "\\"} & set(word)):
        return True
    if _NO_WORD.fullmatch(word):
        return False
    if _PHRASE.fullmatch(word) and (word.islower() or _SAYS.fullmatch(word)):
        return _SAYS.fullmatch(word) is None or not word[1:].islower()
    return any(pattern.fullmatch(word) for pattern in (_NUMBERED, _HEX, _JOINED, _TITLED, _SIGNED))


_ORDINARY: Final = re.compile(
    r"(?i)\w*(?:ed|ing|able|ible|ive|ent|ant|ic|ly|ory|less|ful|ous|lid|ong|ired|en|ale|ault|iert|ig|ich|tion|ment|ness)|correct|right|same|"
    r"weak|short|stale|plain\w*|clear\w*|again|here|there|below|above|changes?|reset|valid|prompt|strings?|number|values?|default|after|"
    r"before|today|later|first|twice|empty|blank|secret|password|passwords|unset|unknown|null|false|sha\w*|bcrypt|argon\w*|hash\w*|"
    r"user(?:s|name)?|admin(?:istrator)?|login|local\w*|fields?|input|length|policy|manager|hint|option|argument|param\w*|variable|file|name|"
    r"type|error|fails?|failure|attempts?|check|rules?|prompts?|store|vault|change|update|please|try|must|none|never|only|where|which|their|"
    r"strong|simple|long|public|private|basic|digest|bearer|token|table|column|text|hidden|secure|falsch|invalide|errado|incorrecta?"
)
"""Words after a word for password that say something about it."""


def is_plain_password(word: str) -> bool:
    """Return whether one ordinary word may be a password where nothing else can be, such as between quotes."""
    return (
        re.fullmatch(r"[^\W\d_]{4,30}|[a-z]{3,15}[-_.][a-z]{3,15}", word) is not None
        and not word.isupper()
        and _ORDINARY.fullmatch(word) is None
        and (word.isalpha() or _SAYS.fullmatch(word) is None)
    )


_SPEAKING: Final = """
must minimum maximum characters character digits letters symbols days hours minutes attempts attribute policy
password passwords length long short required missing invalid incorrect wrong expired changed updated reset user
users failed
"""
_SPEAKS: Final = frozenset(_SPEAKING.split())
"""Words that say something about a password."""


def is_passphrase(words: str) -> bool:
    """Return whether a text is a phrase of a few words, of which three are enough, or two with a number."""
    return re.fullmatch(
        r"[^\W_]+(?: [^\W_]+){2,7}|[^\W_]{3,} [^\W\d_]{3,} ?\d+|[A-Z]\w+ [A-Z]\w+", words
    ) is not None and not (_SPEAKS & set(words.lower().split()))
