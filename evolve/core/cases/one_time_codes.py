"""Finds codes that open something: recovery and verification codes, seeds of authenticators, PINs of doors and cards."""
# ruff: noqa: E501, RUF001  (letters of many alphabets; a pattern broken over lines is harder to compare with what it matches)

import re
from collections.abc import Iterator
from typing import Final

from evolve.core.cases.cued_rules import cued_text, lines_from, rule
from evolve.core.cases.secret_shapes import SecretSpan

_KINDS: Final = r"(?:recovery|back-?up|scratch|emergency|one[- ]time|single[- ]use|rescue|bypass|reserve|2fa|mfa|tfa|two-factor|wiederherstellungs|notfall|ersatz)"
_HEADING: Final = rule(
    rf"(?i)(?:{_KINDS}[ _-]?(?:[a-z]{{2,14}}[ _-]){{0,2}}(?:codes?|keys?|passwords?|passcodes?|tokens?|pins?)|(?:codes?|códigos?|codici|kody|kódy|koder)[ _](?:de[ _]|di[ _]|d['’])?(?:secours|récupération|recuperaci[oó]n|respaldo|recuperação|backup|reserva|recupero|emergenza|zapasowe|záložní)|herstelcodes|varakoodi\w*|резервны\w+ код\w*|коды восстановления|恢复码|备用码|恢復碼|バックアップコード|リカバリーコード|복구 코드|백업 코드)"
    r"(?![\w-])[^\n:]{0,60}(?::[ \t]*|[^\n]{0,60}$|\n)",
    re.MULTILINE,
)
_ITEM: Final = re.compile(r"(?:^|(?<=[\s,;|\"'\[.):*•-]))([A-Za-z0-9]{4,}(?:-[A-Za-z0-9]{2,}){0,7})(?=$|[\s,;|\"'\].])")
_LIST_LINE: Final = re.compile(
    r"[ \t>|*•\"'\[-]*(?:\d{1,2}[.):][ \t]*|\[[ x]\][ \t]*)?(?:[A-Za-z0-9]{4,}(?:-[A-Za-z0-9]{2,}){0,7}[ \t,;|\"'\]]*){1,10}"
)
_LINES: Final = 20
_PASSES: Final = 2
"""Lines of text that may be between the heading and the codes."""

_NOT_A_CODE: Final = (
    r"(?<!exit )(?<!error )(?<!status )(?<!return )(?<!postal )(?<!zip )(?<!country )(?<!area )(?<!response )(?<!reason )(?<!result )(?<!http )"
    r"(?<!source )(?<!product )(?<!rc )(?<!with )(?<!fault )(?<!stop )(?<!event )(?<!signal )(?<!exit_)(?<!error_)(?<!status_)(?<!failure )(?<!the exit )"
)
"""A word before `code` that shows another thing."""
_COMPOUND: Final = (
    r"(?<![a-z])(?!(?:op|err|error|exit|status|return|zip|post|postal|bar|uni|source|byte|de|en|trans|area|country|qr|key|scan|char|vs|x|shell|g|m)[ _-]?(?:code|kod))"
    r"(?:[^\W\d_]{2,14}[ _-]?)?(?:code|kod|koden|kode|koodi)"
)
_CODE_WORD: Final = rf"(?:{_NOT_A_CODE}(?:{_COMPOUND}|(?<![a-z])(?:codice|c[oó]digo|kód|pin|puk|tan|otp|totp|passcode|keypad|combinations?|combinaci[oó]n|combinazione|combinaison|kombination|combinação))|код|验证码|驗證碼|校验码|認証コード|確認コード|認証番号|인증번호|인증 코드|رمز|कोड|κωδικός|קוד)"
_OF: Final = r"(?:(?:[^\W\d_]|\d(?=[ \t]))[^\W\d_'’.-]{0,20}[ \t]{1,2}|(?:de |di |d['’]|da |do |du |der |zum |für |för |til |l['’])[^\W\d_]{2,20}[ \t]{1,2}){0,6}?(?:[^\W\d_]{2,20}(?=:))?"
_IS: Final = r"(?:[:=#\uff1a]|\b(?:is|was|ist|lautet|war|est|es|era|é|è|er|är|on|jest|to|je|now|becomes)\b|c['’]est|[-–—]>?|=>|→|是|为|為|は|이|은|는)"
_DIGITS: Final = r"(?P<code>\d{4,11}(?:[#*]+)?|\d{3}[ -]\d{3,4}|\d{3}-\d{2}-\d{3}|\d{1,2}(?:-\d{1,2}){2,3}|[A-Z0-9]{4}-[A-Z0-9]{4}|[A-Z]{1,3}-\d{4,8}|\d{3,6}[A-Z]|[A-Z]\d{3,6})(?![\w:/%]|[.,-]\d)"
_SPOKEN_DIGIT: Final = r"(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|double|triple|eins|zwei|zwo|drei|vier|fünf|sechs|sieben|acht|neun|zéro|un|deux|trois|quatre|cinq|sept|huit|neuf|cero|uno|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|due|tre|quattro|cinque|sei|sette|otto|nove)"
_RULES: Final = (
    rule(rf"(?i)(?<!exit )(?<!error )(?<!status )\b(?:code|pin|passcode|password|combination|gate|door|alarm|lock|unlock|unlocks|disarm|keypad|safe|garage|tür|tor|porte|puerta|porta)\b[^\n]{{0,60}}?\b((?:{_SPOKEN_DIGIT}[ ,-]{{1,2}}){{3,11}}{_SPOKEN_DIGIT})\b"),
    rule(rf"(?i){_CODE_WORD}[ \t]{{0,2}}{_OF}{_IS}[ \t]{{0,3}}(?:{_IS}[ \t]{{0,3}})?[\"'«„「]?{_DIGITS}"),
    rule(rf"(?i){_CODE_WORD}[^\n:.]{{0,40}}?(?:[,;]|\bnow\b|\bmaintenant\b|\bjetzt\b)[^\n:.]{{0,20}}?{_IS}[ \t]{{0,3}}[\"']?{_DIGITS}"),
    rule(rf"(?i)(?:pin|pass|auth|otp|confirm\w*)[ _-]?(?:code|key)?[^\n]{{0,60}}?(?:->|=>|→)[ \t]*[\"']?{_DIGITS}"),
    rule(rf"(?i)(?:pairing|setup|activation|verification|security|unlock|access|confirmation|login|door|gate|one[- ]time|manual)[ _-]code[ \t:=]{{1,3}}[\"']?{_DIGITS}"),
    rule(rf"(?i){_CODE_WORD}[ \t]{{1,2}}{_OF}(\d{{3,8}}[#*]|\*\d{{3,8}}#?)"),
    rule(r"(?i)(?<![\w-])((?:[A-Z]{1,3}-)?\d{4,8}|\d{3}[ -]\d{3})[ \t]+(?:is|ist|est|es|è|é|är|er|to|jest|là)[ \t]+[^\n]{0,40}?(?<!exit )(?<!error )(?<!status )(?:code|codice|c[oó]digo|kod\w{0,2}|pin|otp|passcode|tan)\b"),
    rule(r"(?i:(?<![a-z])(?:code|user_code|pairing)[\"']?[ \t:=]{1,3}(?:(?:is|to|:)[ \t]+)?[\"']?)((?=[A-Z-]*[A-Z])[A-Z0-9]{4}-[A-Z0-9]{4})(?![\w-])"),
    rule(
        rf"(?i)\b(?:door|gate|garage|keypad|alarm|lock|safe|locker|entry|tür|porte|puerta|porta)\b[^\n]{{0,40}}?(?<![a-z]){_NOT_A_CODE}(?:code|pin|combo|combination|código|codice)[ \t\"':=]{{1,4}}(\d{{3,8}}[#*]?)(?![\w.:-])"
    ),
    rule(
        r"(?i)\b(?:alarm|lock|keypad|door|disarm|arm|gate|safe|garage)\w{0,20}[^\n]{0,80}\n(?:[^\n]{0,120}\n){0,4}?[ \t]*(?:-[ \t]+)?[\"']?(?:\w{1,20}_)?(?:code|pin)[\"']?[ \t]*[:=][ \t]*[\"']?(\d{4,10})(?!\w)",
        lines=6,
    ),
    rule(r"\+?[A-Z]{1,4}PIN=[\"']?(\d{4,8})(?!\w)"),
    rule(r"(?<![\w-])(\d{6}(?:-\d{6}){7})(?![\w-])"),
    rule(
        r"(?i)(?:key|secret|seed|authenticator|2fa|otp|setup|manual(?:ly)?)\b[^\n]{0,60}?(?:[:=]|\b(?:is|enter)\b)[ \t]{0,3}((?=[a-z ]*[2-7])(?:[a-z2-7]{4}[ -]){3,15}[a-z2-7]{2,4})(?![\w-])"
    ),
    rule(
        r"(?i)(?:seed|recovery|mnemonic|wallet|backup|secret)(?:[ _-](?:phrase|words?|key|seed))?[\"']?(?:[ \t]*[:=]|[ \t]+(?:is|are))[ \t]*[\"']?((?:\d{1,2}[.)][ \t]*)?[a-z]{3,8}(?:[ \t,]{1,2}(?:\d{1,2}[.)][ \t]*)?[a-z]{3,8}){11,23})(?![a-z])"
    ),
)  # fmt: skip


def find_one_time_codes(text: str) -> Iterator[SecretSpan]:
    """Yield every code that opens something."""
    cued = cued_text(text)
    for one in _RULES:
        for match in cued.matches(one):
            yield SecretSpan(*match.span(1))
    for heading in cued.matches(_HEADING):
        yield from _listed(text, heading.end())


def _listed(text: str, at: int) -> Iterator[SecretSpan]:
    """Yields the codes on the lines below a heading, and on the rest of its line."""
    others = 0
    for number, (start_of_line, end) in enumerate(lines_from(text, at, _LINES)):
        line = text[start_of_line:end].rstrip()
        codes = [span for span in (match.span(1) for match in _ITEM.finditer(line)) if _is_code(line[slice(*span)])]
        if codes and (number == 0 or _LIST_LINE.fullmatch(line)):
            yield from (SecretSpan(start_of_line + start, start_of_line + stop) for start, stop in codes)
        elif line.strip():
            others += 1
        if others > _PASSES:
            return


def _is_code(word: str) -> bool:
    """Whether a word of a list is a code: it has digits, or parts of equal length."""
    parts = word.split("-")
    return any(map(str.isdigit, word)) or (len(parts) > 1 and len({len(part) for part in parts}) == 1)
