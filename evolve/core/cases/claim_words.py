"""The words around a password in a sentence, in many languages: what announces it, what leads to it, what ends it."""
# ruff: noqa: E501, RUF001  (words of many alphabets)

import re
from typing import Final

from evolve.core.cases.folded_text import fold, folded_pattern

_BEFORE_PASS: Final = (
    r"[A-Za-z][_-]",
    "require",
    "store",
    "key",
    "smtp",
    "db",
    "admin",
    "root",
    "user",
    "my",
    "bind",
    "auth",
    "http",
    "ftp",
    "proxy",
    "master",
)
_PASSWORDS: Final = (
    r"(?:pass?[ _-]?(?:wor?d|phrase)s?|pass(?:wd|wrd|code|key)s?|pasword|passwor|pword|"  # English
    r"(?<![A-Za-z])(?:pwd|psw|pw|psk|mdp|p/w|pin|puk|clave|sandi|senha|parola|parol|nip|otp|digicode|contra(?= (?:de|es|era|del)(?: |$)))(?![A-Za-z])|"
    r"password|باسورد|بسورد|key ?material(?=[ \t]*[=:>])|"
    rf"{''.join(f'(?<={before})pass(?![A-Za-z])|' for before in _BEFORE_PASS)}(?-i:(?<=[a-z])P(?:ass|w|wd|in)(?![a-z]))|"
    r"pass?wort|kennw[oö]rt\w{0,2}|passwörter\w?|zugangscode|geheimzahl|losungswort|"
    r"mots? de passe|parola chiave|chiave d['’]accesso|zugangswort|passwort\w{0,2}|phrases? (?:de passe|secrète)|code secret|contrase(?:ñ|n)as?|contrasenya|palabra clave|frase de paso|"
    r"senhas|palavra[ _-](?:passe|chave)|parola d['’]ordine|paroł|"
    r"парол[а-яё]{0,3}|пин-?код[а-яё]{0,2}|кодов[а-яё]{2} слов[а-яё]{1,2}|лозинк\w|гасл\w|"
    r"密码|密碼|口令|暗码|暗號|暗号|パスワード|パスフレーズ|暗証番号|合言葉|비밀번호|비번|패스워드|암호|"
    r"كلم[ةه] (?:ال)?(?:مرور|سر)|الرقم السري|رمز (?:ال)?(?:عبور|مرور|دخول)|گذرواژه|پاس ورڈ|"
    r"पासवर्ड|कूटशब्द|পাসওয়ার্ড|பாஸ்வேர்ட்|கடவுச்சொல்|పాస్‌వర్డ్|"
    r"wachtwoord(?:en)?|has(?:ł|l)(?:o|a|em|u)|[şs]ifre\w{0,4}|parolas[ıi]|lösenord\w{0,3}|adgangskode\w{0,2}|kodeord\w{0,2}|passord\w{0,2}|salasana\w{0,3}|"
    r"kata (?:sandi|laluan)|mật khẩu|mat khau|κωδικ(?:ός|ό|ού)(?: πρόσβασης)?|συνθηματικό|hesl[oaeu]m?|jelsz[óo]\w{0,3}|jelszav\w{0,3}|geslo|lozink\w|zapork\w|"
    r"סיסמ[אהת]|รหัสผ่าน|slaptažod\w{2}|parool\w{0,2}|salasõna|nenosiri|"
    r"(?:secret|code|safe|magic)[ _-]?words?|pass[ _-]words?|(?:secret|pass) (?:phrase|number|sentence)|"
    r"(?:geheimnis|secreto|segredo|segreto|секрет[аы]?|таємниц[яі]|tajemnica|hemlighet|gizli anahtar|秘密|秘钥|密钥|密鑰|シークレット|시크릿|비밀키|rahasia|bi mat)(?=[ \t\"']{0,3}[:=:])|"
    r"(?<!\w)(?:пин|пін|पिन|পিন|핀번호|رمز|كود|קוד סודי|kod pin|pin kodu?)(?!\w)(?: (?:الباب|الدخول|الخزنة|القفل))?)"
)
PASSWORDS: Final = folded_pattern(_PASSWORDS)
"""A password, and what is used like one; for texts without accents."""
_NAME: Final = re.compile(rf"(?i).{{0,60}}?(?:{PASSWORDS})(?:s|[_-]?\d{{1,3}})?")


_WORD: Final = re.compile(rf"(?i){PASSWORDS}")


def has_password_word(text: str) -> bool:
    """Return whether a short text has a word for password."""
    return _WORD.search(fold(text)) is not None


def is_password_name(name: str) -> bool:
    """Return whether a name ends in a word for password in any language: `motDePasse`, `smtp_haslo`, `parola chiave`."""
    return _NAME.fullmatch(fold(name)) is not None


_CODES: Final = (
    r"(?:(?:reset|sms|texted) code|(?:kod do|koden til|koden till|kode til|код|codice del|codigo del|code du|code des) \w{3,15}|(?:door|gate|garage|alarm|safe|entry|access|unlock|pairing|locker|lock(?:box)?|keypad|vault|security|wi-?fi|wlan|guest|bike|elevator|pairing)"
    r"[ _-](?:code|key|combination|number)s?|(?:key|code|combination) (?:to|for|of) (?:the|my|our|your|her|his|their)(?: \w{2,15}){1,2}?(?![\w])|"
    r"(?:türcode|türkode|safecode|zugangscode|code (?:de la porte|du portail|d['’]accès|de l['’]alarme|wifi)|código de (?:la puerta|acceso|la alarma)|codice (?:d['’]accesso|della porta|dell['’]allarme)|код от (?:двери|домофона|сейфа)|门禁码))"
)
CODES: Final = fold(_CODES)
"""Codes and keys that open doors."""

_SAME: Final = (
    r"(?<![^\W\d_])(?:(?:the|my|our|your) (?:new|old|other|current|second|first|right|real) one|(?:now|then|before|today|previously) it(?=['’ ])|it(?= (?:is|was) (?:now|now set|changed|set|probably|still) )|das (?:neue|alte)|die neue|le nouveau|la nouvelle|l['’]ancien|"
    r"la nueva|la antigua|la vieja|el nuevo|a nova|a antiga|la nuova|la vecchia|новый|старый|het nieuwe|het oude|det nya|det gamla|nowe|stare|nové|yenisi|yang baru|mới|ahora|agora|adesso|jetzt|maintenant|теперь|(?:new|old|nueva|anterior|vieja|neues?|altes?|ancien|nouveau|nuova|vecchia|новый|старый|nova|antiga|baru|lama)(?=[ \t]*[::]))(?![^\W\d_])"
)
SAME: Final = fold(_SAME)
"""What refers to a password that was named before."""

COMPLEMENTS: Final = (
    r"(?:for|of|to|on|at|in|from|für|vom?|von|zum?|zur|im|am|bei|pour|du|de|des|d['’]\w*|sur|para|del?|della?|dello|dell['’]\w*|do|da|dos|das|no|na|en|per|di|al|voor|van|op|"
    r"till|til|för|af|på|dla|od|к|от|для|на|с|у|kohde|pre|ke?|pentru|la|για|του|της|στο[νυ]?|untuk|của|cho|لل?\w*|ל\w+|لـ?\w+)"
)
"""Words that begin what a password is for: `for the NAS`, `del servidor`."""

_ADVERBS: Final = (
    r"(?:schon wieder|schon|now|still|always|actually|currently|simply|just|probably|again|then|temporarily|jetzt|nun|noch|immer|wieder|aktuell|einfach|maintenant|toujours|encore|"
    r"ahora|siempre|todavía|agora|sempre|ainda|adesso|ora|ancora|теперь|сейчас|всегда|nu|teraz|artık|sekarang|toujours|désormais)"
)
_CHANGED: Final = r"(?:set|changed|reset|updated|switched|rotated|moved|turned|renamed)(?: back)?(?: from)?"
COPULAS: Final = (
    rf"(?:(?:(?:is|was|are|were|be|will be|would be|should be|must be|has been|had been|have been|got|gets|isn['’]t|wasn['’]t|used to be|became|becomes|remains|stays|reads|equals|says|goes)(?: {_ADVERBS}){{0,2}}"
    rf"(?: {_CHANGED} (?:to|as|with))?)|{_CHANGED} (?:to|as)|"
    r"ist|war|wird|sei|lautet(?:e)?|heißt|hieß|bleibt|wurde auf|"
    r"est|était|sera|devient|c['’]est|reste|vaut|es|era|será|fue|sigue siendo|é|foi|fica|continua|è|sarà|fu|rimane|resta|"
    r"был[аои]?|будет|это|теперь|остал[а-я]{2,3}|равен|буде|—|is het|wordt|blijft|luidt|är|var|blir|lyder|er|blev|oli|jest|był[oa]?|będzie|brzmi|je|byl[oa]?|zní|bude|"
    r"este|va fi|adalah|ialah|yaitu|menjadi|là|thành|είναι|ήταν|θα είναι|беше|става|је|yra|volt|lett|"
    r"הי[אה]|הייתה|היא|הוא|هي|هو|كانت|أصبحت|إلى|হলো|হল|হচ্ছে|ছিল)"
    rf"(?: {_ADVERBS})?"
)
"""Words between the word for password and the password."""

WEAK_COPULAS: Final = r"(?:to|as|into|auf|zu|en|à|a|por|para|in|на|op|naar|till|til|na|on|ke)"
"""Words before the new password, where the text speaks of a change; in some languages also `is`."""

CHANGES: Final = re.compile(
    r"(?i)chang|(?<![a-z])(?:re-?)?set(?![a-z])|updat|rotat|switch|änder|geändert|setz|gesetzt|wechsel|camb|mud[aeo]|alter|modif|impost|remplac|défini|redefin|restablec|"
    r"смен|измен|помен|постав|установ|zmien|ustaw|byt|ändra|ændre|endre|wijzig|verander|vaihd|změn|nastav|değiş|ganti|ubah|αλλα|άλλα"
)
WEAK_IN: Final = re.compile(r"(?i)has[łl]|hesl|salas|parool")
"""Words for password in whose languages `to` or `on` means `is`."""

UNDIVIDED_COPULAS: Final = r"(?:是|为|為|叫|改成|改为|改為|设为|设置为|設為|設定為|换成|換成|就是|已改为|还是|仍是|变成|は|が|を|って|も|는|은|가|이|를|을|คือ|เป็น)"
"""The same in languages that do not divide their words, after the word for password and what it belongs to."""

BREAKS: Final = re.compile(
    r"(?i)[.!?](?=\s|\Z)|[,;。，；！？،؟।](?!\w)|[,;](?=\S)|\s[-–—/|]{1,2}\s|\s{2,}|\s\d{1,2}[.)]\s|\t|\s\(|[)\]}>»”]|<|"
    r"\s(?:but|because|since|so|until|till|when|if|which|unless|please|although|though|while|whereas|by the way|from now|any ?more|any ?longer|these days|aber|weil|bis|wenn|damit|sondern|"
    r"mais|parce|jusqu|quand|pero|porque|hasta|cuando|mas|até|quando|però|perché|finché|но|потому|пока|если|maar|omdat|totdat|men|fordi|ale|bo|jeśli|"
    r"and (?:the|my|our|your|his|her|then|it|we|you|he|she|they|i)|und (?:der|die|das|dann|ich|er|sie|wir)|et (?:le|la|les|il|elle|je)|y (?:el|la|los|las)|e (?:o|a|il|la)|и (?:он|она|логин)|"
    r"for (?:the|user|host|all|every|now|a)|on (?:the|host|all|every|port)|at (?:the|least|\d)|in (?:the|all)|to (?:the|log|get|connect|open|access)|as (?:the|a|user|root)|with (?:the|user)|of the|from the)(?=\s|\Z|['’])"
)
"""What ends a clause."""

ENDINGS: Final = re.compile(
    r"(?:です|でした|だ|である|に(?:変更|設定|し|な)|へ(?:変更)?|と(?:いう|なって|言)|を(?:入力|使)|입니다|이에요|예요|이다|였|으로|로(?=\s|$| 변경)|라고|이라고|吧|哦|啊|呢)"
)
"""What follows the password in such languages."""
