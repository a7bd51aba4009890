"""Decides whether a name or a word in a text announces a secret: `DB_PASS`, `--storepass`, `COOKIE_SIGNING`, `Kennwort`."""
# ruff: noqa: E501, RUF001  (letters of many alphabets; a pattern broken over lines is harder to compare with what it matches)

import re
from enum import IntEnum
from typing import Final

from evolve.core.cases.cued_rules import remembered
from evolve.core.cases.ordinary_words import is_ordinary_word, parts_of_name, words_of
from evolve.core.cases.secret_words import FOREIGN_WORDS, PASSWORD_SPELLINGS


class Cue(IntEnum):
    """What a name says about the words near it."""

    NONE = 0
    WEAK = 1
    """`token`, `key`, `login`: logs have these words for other things too"""
    NAMED = 2
    """a name made for a secret's value: `api_key`, `COOKIE_SIGNING`; also `pass` and `secret` alone"""
    STRONG = 3
    """a word for password"""


_STRONG: Final = words_of("""
password passwords passwd passphrase passphrases passcode passcodes passkey pwd psw pswd pw passw psk puk otp creds
cred credential credentials passwort mdp pwort passphr keyphrase wachtwoord
""")
_BARE: Final = words_of("""
pass pin secret secrets credentials creds psk otp community combination pincode wpa wep
""")
"""Words that announce a value right after them only, when they are alone."""
_WEAK: Final = words_of("""
token key auth login logon signin access signing salt pepper hmac signature license licence phrase apikey authkey
authtoken sudo bearer digest wpa wep seed mnemonic
""")
_DOORS: Final = words_of("""
login logon signin access
""")
_NO_KEY: Final = words_of("""
primary public foreign sort cache partition unique known map dict index group routing object ssh host hash range
column row registry config json yaml missing unknown duplicate on any hot arrow up down enter the a this that each
per first last of for
""")
"""Words before `key` that show another thing."""
_SUFFIX: Final = re.compile(r"(.*?)(?:passwords?|passwd|passphrase|passcode|pwd|pass|pw)")
_NO_SUFFIX: Final = words_of("""
compass bypass trespass surpass overpass underpass encompass
""")
_TAILS: Final = words_of("""
value values text plain plaintext cleartext clear base64 b64 b 64 hash string str hex new old again confirm
confirmation repeat raw data current encoded prod dev stage staging test live main default env var is
""")
"""Words after the word for a secret that do not change what the name is of; after others it is a limit, a file, a policy."""

FOREIGN: Final = re.compile(rf"(?i)(?:{FOREIGN_WORDS}|{PASSWORD_SPELLINGS})\w{{0,3}}")
_CODE: Final = (
    r"door|gate|garage|alarm|safe|entry|access|unlock|pairing|locker|keypad|vault|security|verification|confirmation|activation|recovery|backup|one[- ]time|login|"
    r"user|master|card|setup|auth\w*|2fa|mfa|device|invite"
)
PHRASES: Final = re.compile(
    rf"(?i)(?<![\w-])(?:(?:api|private|secret|access|encryption|decryption|signing|licen[sc]e|product|shared|pre-?shared|master|wi-?fi|wlan|wpa\d?|wireless|network|recovery|"
    rf"session|account|admin|root|app|unseal|service|security|storage|hmac|cipher|activation|serial)[ _-](?:key|token|secret)|(?:{_CODE})[ -](?:codes?|pins?|combinations?)|"
    rf"(?:alarm|code|safe|secret|magic|pass|challenge)[ -]words?|codeword|secret[ -](?:question|answer)|seed (?:phrase|words)|maiden name|steam guard code|wi-?fi (?:is|code|pw)|one[- ]time (?:password|code)s?)(?![\w-])"
)
"""What several words announce."""
FOREIGN_KEYS: Final = re.compile(
    r"(?i)(?<!\w)(?:schlüssel|clé|llave|chiave|chave|sleutel|klucz|nyckel|nøgle|nøkkel|avain|ключ|anahtar|klíč|kulcs)(?:[ -](?:wi-?fi|wlan|api|"
    r"(?:de|del|della|da|du|d['’]|der|für|von|pour|para|per)[ ]?(?:\w+[ ]){0,2}\w+))?(?=[ \t]*(?:[:=]|\(|(?:ist|lautet|est|es|è|é|is|jest|är|er|on|je)\b))"
)
"""A word for key where it is given: `der Schlüssel für die Sicherung ist`."""
FOREIGN_CODES: Final = re.compile(
    r"(?i)code de (?:confirmation|vérification|sécurité|validation|connexion|déverrouillage)|c[oó]digo de \w{4,15}|codice di \w{4,15}|код\w{0,2} (?:подтверждения|доступа|безопасности|входа)|"
    r"验证码|驗證碼|校验码|動態碼|动态码|認証コード|確認コード|인증번호|인증 코드|\w{3,20}(?<!fehler)(?<!exit)(?<!post)code(?=[: ]+(?:lautet|ist|är|er|is)\b)|kod weryfikacyjny|doğrulama kodu|رمز التحقق|"
    r"engångskod|bekreftelseskode|vahvistuskoodi|mã xác (?:nhận|thực|minh)|kode verifikasi|ověřovací kód"
)


@remembered
def cue_of(name: str) -> Cue:
    """Return what a name or a word announces."""
    parts = [part.lower() for part in parts_of_name(name.rpartition("/")[2])]
    kept = len(parts)
    while kept and parts[kept - 1] in _TAILS:
        kept -= 1
    if not kept:
        return Cue.NONE
    last = parts[kept - 1]
    if kept == 1 and last in _BARE:
        return Cue.NAMED
    if last in _STRONG or _is_joined(last) or FOREIGN.fullmatch(name):
        return Cue.STRONG
    if kept > 1 and last in _BARE:
        return Cue.STRONG
    if last not in _WEAK or (last == "key" and kept > 1 and parts[kept - 2] in _NO_KEY):
        return Cue.NONE
    return Cue.NAMED if kept > 1 and last not in _DOORS else Cue.WEAK


def _is_joined(word: str) -> bool:
    """Whether a word ends in one for password: `storepass`, `rootpw`."""
    match = _SUFFIX.fullmatch(word)
    return match is not None and word not in _NO_SUFFIX and is_ordinary_word(match[1])
