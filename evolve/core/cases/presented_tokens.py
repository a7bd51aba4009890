"""Finds odd words that a text hands over for access without a word for password: `try hunter2 and you are in`.

A word such as `blue-falcon-77` may be an id, so here the words around it decide: what lets somebody in, what opens,
what is shared, which one it was.
"""
# ruff: noqa: E501, RUF001  (words of many alphabets; a pattern broken over lines is harder to compare with what it matches)

import re
from collections.abc import Iterator
from typing import Final

from evolve.core.cases.cued_rules import CuedRule, matches, rule
from evolve.core.cases.harmless_ids import is_harmless_id
from evolve.core.cases.oddness import Oddness, oddness
from evolve.core.cases.said_of_secrets import is_message, states_something
from evolve.core.cases.secret_shapes import FILL, SecretSpan

_VALUE: Final = r"[\"'`«“„*]{0,2}(?P<value>[^\s\"'`«»“”„(),:/\\<>\[\]{}=\ue000]{4,40})"
_THEN: Final = r"(?=[\"'`»”*]{0,2}[,;.!]?(?:[ \t]|\Z|\n))"
_GIVE: Final = (
    r"(?:us(?:e|es|ed|ing)|try|tried|typ(?:e|es|ed)|enter(?:ed)?|with|put|key in|take|mit|nimm|verwende|benutz\w+|probier\w*|versuch\w*|avec|essa\w+|"
    r"tape\w?|utilise\w?|con|usa|prueb\w+(?: con)?|prob\w+(?: con)?|com|use|tente|prova(?: con)?|попробуй(?:те)?|с|введи(?:те)?|met|probeer|med|prøv|z|spróbuj|ile|dene)"
)
_ENTRY: Final = (
    r"(?:(?:you|we|i|he|she|they|u)(?:['’]re| are| get| got| come|['’]ll be| will be| can get)(?: back)? in(?![a-z])|(?:to|can|could|and|then) (?:log|sign|get) ?(?:in|on)(?![a-z])|to (?:unlock|open|decrypt|confirm)|(?:when|if|once|where) (?:it|he|she|they|the \w+) asks?|at the \w+ prompt|"
    r"si no (?:entra|funciona|va)|y entras|und du bist drin|zum (?:anmelden|einloggen|entsperren)|pour (?:se connecter|entrer|ouvrir)|para (?:entrar|abrir)|per entrare|должно пустить|чтобы войти|и зайд\w+|om in te loggen|för att logga in)"
)
_OPENS: Final = (
    r"(?:unlocks?|unlocked|opens?|opened|lets? (?:you|me|us|him|her|one|\w+) in|gets? (?:you|me|us) in|(?:got|get|getting|come|came) in(?:to (?:it|the \w+))?|log(?:s|ged)?[ -]?(?:in|on)|sign(?:s|ed)?[ -]?in|protected|locked|encrypted|anmelden geht|anmeldung geht|komm\w* (?:ich |du |man )?(?:rein|hinein)|"
    r"(?:on )?se connecte|on entre|(?:si )?accede|se accede|si entra|entra[rs]?|acced\w+|заходи(?:те)?|входи(?:те)?|зайди(?:те)?|ging es|geht es|portal i have been|i have been|inloggen kan|loggar man in)"
)
_ONE: Final = r"(?:the|this|that|her|his|my|our|your|its) (?:usual|same|old|new|root|admin|shared|other|first|second|current|previous|last|default|common|original|right)(?: old| root| admin| new)? one|the usual|(?:the|her|his) (?:root|admin|old|new) (?:one )?(?:is|was)|everyone'?s"
_RULES: Final[tuple[CuedRule, ...]] = (
    rule(rf"(?i)(?<![^\W\d_]){_GIVE}[ \t]+{_VALUE}[\"'`»”*]{{0,2}},?[ \t]+(?:and[ \t]+|then[ \t]+)?{_ENTRY}", lines=0),
    rule(
        rf"(?i)(?<![^\W\d_]){_OPENS}(?:[ \t]+\w+){{0,3}}?[ \t]+(?:with|by|using|mit|avec|con|com|с|со|met|med|z)[ \t]+{_VALUE}{_THEN}",
        lines=0,
    ),
    rule(
        rf"(?i)(?<![^\W\d_]){_GIVE}[ \t]+{_VALUE}{_THEN}(?=[^\n]{{0,40}}(?:without (?:any )?(?:problems?|trouble)|ohne problem|worked for me|did the trick|под (?:админ|рут)))",
        lines=0,
    ),
    rule(
        rf"(?i)(?<![^\W\d_])(?:{_ONE})(?:[,:]?[ \t]+(?:is|was|were|are|still|now|again|always|just|here|there|in \w+|on \w+)){{0,3}}[,:]?[ \t]+{_VALUE}{_THEN}",
        lines=0,
    ),
    rule(rf"(?i)(?<![^\W\d_])(?:shares?|sharing|shared)[ \t]+(?:the same one:?[ \t]+)?{_VALUE}{_THEN}", lines=0),
    rule(
        rf"(?i)(?<![^\W\d_])(?:it|hotspot|wi-?fi|wlan|lock|phone|app|server|site|archive|box|console|switch|panel|keypad|device|bmc|router|portal|login|prompt|form|page|kiosk)[ \t]+(?:still |now |only )?(?:accepts?|takes?|wants|likes)[ \t]+{_VALUE}{_THEN}",
        lines=0,
    ),
    rule(
        rf"(?i)(?:(?<![^\W\d_])(?:reset|changed|set|switched)[ \t]+(?:his|hers|theirs|mine|yours|ours|[\w.]{{2,20}}['’]s)[ \t]+to|now it['’]s|(?:it|value)[ \t]+(?:in|on|for)[ \t]+(?:prod|production|staging|dev|test)\w{{0,4}}:)[ \t]+{_VALUE}{_THEN}",
        lines=0,
    ),
    rule(
        rf"(?i)(?<![^\W\d_])(?:leaked|pasted|posted|typed|wrote|put|committed|exposed|have)[ \t]+{_VALUE}{_THEN}(?=[^\n]{{0,80}}(?:by accident|by mistake|accidentally|revoke|rotate|sticky note|whiteboard|under the keyboard|in the public|in plain ?text|as the login))",
        lines=0,
    ),
    rule(
        rf"(?i)(?<![^\W\d_])(?:user|account|login|benutzer|usuario|utilisateur)[ \t]+(?:on|at|for|auf|en|sur)[ \t]+[\w.-]{{2,30}}:[ \t]+{_VALUE}{_THEN}",
        lines=0,
    ),
    rule(
        rf"(?im)^(?:[^\s|]+[ \t]{{2,}})?(?:root|admin|administrator|user|guest|operator|maint|support|cisco|ubnt|pi|sa|postgres)(?:[ \t]{{2,}}|\t){_VALUE}[ \t]*$",
        lines=0,
    ),
    rule(
        rf"(?i)(?<![^\W\d_])(?:both|all|kiosks?)[ \t]+(?:the )?\w+[ \t]+(?:share|use|take|have)[ \t]+{_VALUE}{_THEN}",
        lines=0,
    ),
)
_BESIDE: Final[tuple[CuedRule, ...]] = (
    rule(
        rf"(?i)(?<![^\W\d_])(?:root|admin|administrator|guest|deploy|pi|oper(?:ator)?)(?:['’]s|[ \t]is|[ \t]was)[ \t]+(?:(?:still|now|again|always|just)[ \t]+)?{_VALUE}{_THEN}",
        lines=0,
    ),
    rule(
        rf"(?i)(?<![^\W\d_])(?:password|passphrase|pw|clave|contraseña|senha|passwort|kennwort|mot de passe|пароль|парол[ья]|hasło|wachtwoord|lösenord)[ \t][^\n,:=]{{0,30}},[ \t]+{_VALUE}(?=[\"'`»”*]{{0,2}}[,;.!]?(?:\s|\Z))",
        lines=0,
    ),
    rule(
        rf"(?i)(?<![^\W\d_])(?:connect to|join|network|ssid|wi-?fi|wlan|hotspot)[ \t]+[\w.-]{{2,30}}[,;:][ \t]+(?:it['’]?s|it is|with|key|code|use|mit|avec|con)[ \t]+{_VALUE}{_THEN}",
        lines=0,
    ),
)
"""Here an account, a network or a word for password is next to it."""
_SURE: Final[tuple[CuedRule, ...]] = (
    rule(
        rf"(?i)(?<![^\W\d_])(?:with|mit|avec|con|is|ist|est|es|use|type|enter|in),?[ \t]+(?:uh+m?|um+|er+m?|ähm?|euh|eh|ehm|hm+)[,.]*[ \t]+{_VALUE}{_THEN}",
        lines=0,
    ),
    rule(
        rf"(?i)(?<![^\W\d_])(?:user|group|login|host|name|realm|account|ssid)[ \t]+[\w.@-]{{2,30}},[ \t]+(?:and[ \t]+)?(?:secret|password|passphrase|pass|pw|pin|key)[ \t]+{_VALUE}(?=[\"'`»”*]{{0,2}}[,;.)]?(?:\s|\Z))",
        lines=0,
    ),
)
"""Here any word that is in no list is enough."""
_NUMBERS: Final = (
    rule(
        r"(?i)(?<![^\W\d_])(?:unlock(?:s|ed)?|open(?:s|ed)?|s['’]ouvre|entsperr\w+)(?:[ \t]+[^\W\d_]+){0,3}[ \t]+(?:with|by|using|mit|avec|con)[ \t]+(?P<value>\d[\d-]{3,9})(?![\w.:%])",
        lines=0,
    ),
    rule(
        r"(?i)(?<![^\W\d_])(?:(?:bank|debit|credit|sim|key|access)[ -]?card|locker|alarm|safe|keypad)[ \t]+(?:is|was|ist|est|es|è)[ \t]+(?P<value>\d{4,8})(?![\w.:%-])",
        lines=0,
    ),
    rule(
        r"(?i)(?<![^\W\d_])(?:(?:freischalt|aktivierungs|zugangs|sicherheits|bestätigungs|einmal)code|(?:activation|unlock|unlocking|redemption) (?:code|key)|código de activación|code d['’]activation|codice di attivazione|код активации)(?:[ \t]+(?:is|lautet|ist|est|es|è))?[: \t]+(?P<value>(?=[^\s]*\d)[A-Z0-9][\w-]{3,40})",
        lines=0,
    ),
    rule(
        r"(?i)(?<![^\W\d_])(?:password|passphrase|pw|pwd|pin|kennwort|passwort)[ \t][^\n()]{1,60}\((?P<value>(?=[^\s()]*\d)[^\s()=:,]{4,40})\)",
        lines=0,
    ),
    rule(
        r"(?i)(?<![^\W\d_])(?:setting|set|changing|changed)[ \t]+(?:the[ \t]+)?(?:password|passphrase|pin|passwd)[ \t]+to[ \t]+(?P<value>[^\n\ue000]{3,60}?)[ \t]*(?:\.{3}|,|$|\n)",
        lines=0,
    ),
    rule(r"(?im)(?:^|[:,;(])[ \t]*(?:pw|pwd|mdp)[ \t]+(?P<value>[^\W\d_]{5,30})[ \t]*$", lines=0),
    rule(
        r"(?i)(?<![^\W\d_])(?:use|enter|type)[ \t]+(?P<value>(?:[A-Z]-)?\d{3}[ -]?\d{3,5})[ \t]+to[ \t]+(?:confirm|verify|sign|log|complete|finish|continue)",
        lines=0,
    ),
    rule(
        r"(?i)(?<![^\W\d_])(?:keypad|door|safe|gate|alarm|locker|lock|garage)(?:[ \t]+\w+){0,4}?[ \t]+(?:takes|opens with|wants|code[ \t]+(?:is[ \t]+)?|is)[ \t:]*(?P<value>\d[\d#*-]{3,9}(?: \d{1,4})?)(?![\w.:%])",
        lines=0,
    ),
    rule(
        r"(?i)(?<![^\W\d_])(?:combination|combo)(?:[ \t]+(?:is|was|for[ \t]+[\w ]{2,20}?))?[,:]?[ \t]+(?P<value>\d{1,2}(?:[ \t,-]+(?:left|right|then|to|and|\d{1,2}))+)",
        lines=0,
    ),
    rule(r"(?i)(?<![^\W\d_])(?:pin|passcode|code)['’]s[ \t]+(?P<value>\d{4,8})(?![\w.:%])", lines=0),
)
_LONE: Final = re.compile(r"(?m)^[ \t]*(?P<value>[^\s\"'`:=(){}\[\]<>/\\,;\ue000]{8,40})[ \t]*$")
"""A word alone on its line."""
_MOST_LONE: Final = 4000
"""Characters of a text in which a word alone on a line is no row of a list."""
_LONG_WORD: Final = 16
"""Letters of a word that is several: `correcthorsebatterystaple`."""
_MIXED: Final = re.compile(r"(?=.*\d)(?=.*[a-z])(?=.*[A-Z])")


def find_presented_tokens(text: str) -> Iterator[SecretSpan]:
    """Yield the odd words that a text hands over for access."""
    for rules, is_sure in (((*_RULES, *_BESIDE), False), (_SURE, True)):
        for match in matches(text, rules):
            word = match["value"].rstrip(".,;!?*")
            if _is_handed_over(word, is_sure=is_sure):
                yield SecretSpan(match.start("value"), match.start("value") + len(word))
    for match in matches(text, _NUMBERS):
        if states_something(match["value"]) or is_message(match["value"]):
            continue
        yield SecretSpan(*match.span("value"))
    for match in _LONE.finditer(text) if len(text) < _MOST_LONE else ():
        if _MIXED.match(match["value"]) and _is_odd_alone(match["value"]):
            yield SecretSpan(*match.span("value"))


def _is_odd_alone(word: str) -> bool:
    """Return whether a word with capitals and digits is no id, name of code or version."""
    span = SecretSpan(0, len(word))
    return oddness(word) > Oddness.ORDINARY and not is_harmless_id(word, span) and "_" not in word and ".." not in word


def _is_handed_over(word: str, *, is_sure: bool) -> bool:
    if FILL in word or not oddness(word) or _is_version(word):
        return False
    if is_sure or any(map(str.isdigit, word)) or "-" in word or len(word) > _LONG_WORD:
        return True
    return oddness(word) == Oddness.MADE and not word.isalpha()


def _is_version(word: str) -> bool:
    """Return whether a word is a version or the name of a protocol: `HTTP/2`, `v1.2`, `TLS1.3`."""
    return re.fullmatch(r"[A-Za-z]{1,12}-?\d(?:\.\d+)+|v?\d+(?:\.\d+)+\S*|[A-Z]{2,6}-?\d{1,4}", word) is not None
