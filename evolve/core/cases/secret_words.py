"""The words for password in many languages, and the words that show a sentence rather than a secret."""
# ruff: noqa: E501, RUF001  (letters of many alphabets; a pattern broken over lines is harder to compare with what it matches)

import re
from typing import Final

FOREIGN_WORDS: Final = (
    r"passwort|kennwort|mot[ _-]de[ _-]passe|contrase(?:ñ|n)a|(?<![a-z])clave(?:[ _]secreta)?|senha|palavra[ _-]passe|"
    r"parola(?: d'ordine)?|пароль|пароля|密码|密碼|口令|パスワード|暗証番号|비밀번호|비번|패스워드|암호|كلمة (?:المرور|السر)|पासवर्ड|পাসওয়ার্ড|"
    r"wachtwoord|hasło|hasła|şifre|sifre|lösenord|adgangskode|kodeord|salasana|kata sandi|mật khẩu|κωδικός|"
    r"passord|heslo|hesla|jelszó|parolă|parolası|парола|паролем|лозинка|סיסמה|סיסמא|رمز عبور|رمز المرور|geslo|lozinka|slaptažodis|parool"
)
"""German, French, Spanish, Portuguese, Italian, Russian, Chinese, Japanese, Korean, Arabic, Hindi, Bengali, Dutch,
Polish, Turkish, Swedish, Danish, Finnish, Indonesian, Vietnamese, Greek, Norwegian, Czech, Hungarian, Romanian,
Bulgarian, Serbian, Hebrew, Persian, Slovenian, Croatian, Lithuanian, Estonian."""

PASSWORD_SPELLINGS: Final = r"passwords?|passwd|passphrases?|passcodes?|pass[ _-]words?|paswords?|passwrds?|passwrods?|passwards?|passwor|passord|paswd|psswrd|psswd|pswrd|pswd|pword|pwrd|pwd|p/w"
"""The word as people type it in a hurry."""

COPULAS: Final = (
    r"is|was|are|being|of|ist|lautet|war|est|es|era|é|è|jest|это|было|是|为|為|は|है|هي|هو|"
    r"(?:has been |was |is )?(?:set|changed|reset) to|now"
)
"""Words between the word for password and the password."""

_SENTENCE: Final = """
updated changed successfully unchanged accepted successful
a an the is are was be been must may can cannot could should would will not no none never required missing invalid
incorrect wrong expired empty but and or for of in on at to from by with has have had does do did least too your
this that given found set mismatch failed denied unknown ago only than unset provided rejected authentication
optional needed ist nicht falsch fehlt erforderlich requis incorrecte requerida incorrecta
"""
_SENTENCE_WORDS: Final = frozenset(_SENTENCE.split())


def is_sentence(value: str) -> bool:
    """Return whether a value is a reason in words, such as `required but none given`, rather than a secret."""
    words = re.findall(r"\S+", value)
    plain = [word.strip("\"'.,;:!?()").lower() for word in words]
    if len(words) == 1:
        return plain[0] in _SENTENCE_WORDS
    return all(word.isalpha() or word.isdigit() or not word for word in plain) and bool(_SENTENCE_WORDS & set(plain))


_LINKING: Final = """
a an the is are was be and or for of in on at to from by with has have had do your this that only than set but
"""
_LINKING_WORDS: Final = frozenset(_LINKING.split())


def is_reason(value: str) -> bool:
    """Return whether a value in quotes says why there is no secret; words that only link may be in a passphrase."""
    plain = {word.strip("\"'.,;:!?()").lower() for word in value.split()}
    return is_sentence(value) and bool(plain & (_SENTENCE_WORDS - _LINKING_WORDS))


def looks_made(word: str) -> bool:
    """Return whether a word is not an ordinary one: it has digits, signs, or capitals inside."""
    word = word.rstrip(".:!?,;")
    return not word.replace("-", "").replace("'", "").isalpha() or not (
        word.islower() or word.isupper() or word.istitle()
    )
