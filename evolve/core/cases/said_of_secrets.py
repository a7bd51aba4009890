"""Says whether a text states something about a password, such as `expired` or `must be longer`, in many languages.

Whatever is in the place of a password and states nothing is taken for the password: there are few such words, and
passwords may be any word.
"""
# ruff: noqa: E501, RUF001  (words of many alphabets)

import re
from typing import Final

from evolve.core.cases.cued_rules import remembered
from evolve.core.cases.folded_text import fold
from evolve.core.cases.ordinary_words import is_ordinary_word, words_of

_HARD: Final = words_of("""
expected received publickey keyboard-interactive required field blank missing invalid incorrect wrong expired expires expire must cannot characters character chars digits letters symbols bytes bits
failed fails failure failing denied refused rejected accepted mismatch mismatched unset unknown unavailable available unchanged optional
mandatory allowed forbidden disabled enabled locked unlocked encrypted hashed hidden masked stored saved provided supplied entered loaded
retrieved unreadable malformed corrupt corrupted compromised revoked rotated rotation policy prompt authentication minimum maximum
attempts minutes seconds permission password passwords passphrase passcode credentials username login undefined successfully unsuccessful
updated reset forgotten forgot found valid confirmation requirements undefined unspecified specified needed unsupported supported deprecated
""")
"""Words that no passphrase is likely to have."""

_SOFT: Final = words_of("""
not no never none nothing should may might can could will would shall need needs has have had does did do don't doesn't didn't isn't being
been too empty blank weak strong short long longer shorter older due correct ok okay fine safe secure insecure visible ready different identical
equal case-sensitive same least most between about more less than set unset changed given read sent shared kept used reused unused ignored
removed deleted cleared created generated pending lost again please retry check see contact ask enter change try there here
old memorable unique random complex unguessable already only also always expiring n/a weaker stronger outdated stale unclear unencrypted plaintext
in on at from with without under by within inside behind after before via through during because when if until unless since while
to for of as known still out up what where how why which who it they you we something anything somewhere everywhere printed
""")
"""Words with which a statement begins; in quotes they may begin a passphrase."""

_TYPES: Final = words_of("""
str string text int integer bool boolean char varchar bytes any object optional required secretstr null none nil true false undefined
yes no on off hidden input array list dict map number float uuid field value type ***** prompt ask env vault
""")

_FOREIGN: Final = tuple(
    fold("""
abgelaufen falsch ungültig gültig inkorrekt korrekt richtig fehl erforderlich notwendig benötigt leer nicht kein muss müssen darf sollte kann
geändert gesetzt gesperrt gespeichert unbekannt vergessen identisch verschlüsselt bereits mindestens stimm wurde hat haben läuft zurückgesetzt zu
expiré incorrect invalide erroné requis obligatoire manquant vide trop oublié changé modifié réinitialisé refusé accepté valide doit doivent ne n' n’ pas
non déjà introuvable différent chiffré été périmé correct faux fausse stocké absent
expirad caducad inválid debe deben requerid obligatori vací demasiado olvidad cambiad restablecid acept rechazad válid ha han está están ya erróne muy
no expirou inválid não deve obrigatóri vazi esquecid alterad redefinid aceit rejeitad foi incorret fraca expira já tem precisa caducó venció vencida
scadut errat deve obbligatori vuot troppo dimenticat cambiat modificat reimpostat accettat rifiutat valid stata stato corrett sbagliat mancant richiest scade
истёк истек истекл неверн неправильн не нет должен должн обязател требу пуст слишком коротк слаб забыт изменен изменён изменил сброшен принят отклон
действител недействител устарел нельзя установлен указан задан сохран зашифров ошиб верн правильн просроч введ не был отсутств совпад
закінч невірн повин змінен скинут недійсн порожн має
nieprawidłow niepoprawn błędn wygas nie musi wymagan puste zbyt słab zapomn zmienion zresetowan prawidłow poprawn został ważne
verlopen onjuist ongeldig verkeerd fout niet geen moet vereist te zwak gewijzigd juist geldig werd verloopt ontbreekt
utgånget utgått felaktig ogiltig inte måste krävs tomt glömt ändrat återställ fel har saknas
forkert ugyldig ikke skal påkrævet udløbet feil utløpt må blev er nulstillet
väär vanhentun virheellinen ei täytyy tyhjä liian unoh vaihdet
nespráv neplat vypršel nesmí musí prázdn příliš zapom změn není bylo nebylo chyb expirov
hibás érvénytelen lejárt nem kötelező üres túl kell
greșit expirat nu trebuie prea uitat schimbat
грешн невалид изтекл трябва
yanlış hatalı geçersiz süresi gerekli boş çok kısa zayıf değil unut sıfırlan geçerli doğru olmalı kabul eşleş değiştir bulunam
salah tidak kedaluwarsa kadaluarsa wajib harus kosong terlalu lupa diubah benar belum sudah telah perlu
sai không hết phải bắt trống quá ngắn yếu quên đã hợp đúng chưa cần bị
λάθος εσφαλμέν έληξε άκυρ δεν πρέπει κεν πολύ έχει
שגוי לא פג ריק חייב נדרש קצר אינה
منتهية غير خاطئة خطأ صحيحة صالحة مطلوبة فارغة قصيرة يجب لا لم تم ليست انتهت ضعيفة خاطئ
اشتباه نامعتبر منقضی باید خالی نیست نمی
गलत अमान्य समाप्त आवश्यक खाली छोटा होना नहीं चाहिए भूल बदल मान्य सही कमज़ोर ज़रूरी ग़लत दर्ज
ভুল মেয়াদ অবৈধ খালি প্রয়োজন না নয় হবে পরিবর্তন সঠিক डाल
muito demais longa curta comum fraca forte débil larga corta común débil нужно надо можно следует longue courte faible forte lunga corta comune
actualiz bloque guardad eliminad enviad modificad restabl creada atualiz salva enviada krotk za bitte weitergeb verrat merk hangt steht liegt schreib notier speicher upewnij utilisez veuillez usa vous
haga cliquez klicken klick clique clicca
for kort lang svag incorect gresit slaba invalida obligatorie
vorläufig temporär verschickt zugeschickt temporaire provisoire envoyé envoyée reçue temporal provisional enviada recibid caduca
temporanea provvisoria inviata ricevuta temporária provisória enviada recebida tymczasow wysłan otrzyman
временн отправлен получен tijdelijk verstuurd ontvangen tillfällig skickat
""").split()
)
_ADVERBS: Final = frozenset(
    fold("""
leider schon schonmal wieder immer noch heute gestern bisher erneut mehrmals gerade vorhin niemals seine ihre welches welche warum wieso wann
hier demain toujours jamais encore souvent parfois arrivé perdu quel quelle lequel pourquoi quand comment
siempre nunca todavía aún ayer mañana otra cada hoy llegó perdí cuál cuales cuándo cómo porqué
sempre ancora ieri domani ogni oggi arrivata persa quale quando perché qual quais ainda ontem amanhã hoje chegou perdida
zawsze nigdy jeszcze wczoraj dzisiaj jutro każd znowu jakie jaki dlaczego kiedy
всегда никогда ещё вчера сегодня завтра снова опять почему зачем когда какой какая каков
altijd nooit gisteren vandaag morgen weer welke waarom wanneer alltid aldrig igår idag imorgon igen vilket varför
""").split()
)
"""Words with which a statement begins, if another word follows: alone they may be a password."""
_SHORT_STEM: Final = 4
"""Characters of a stem that must be the whole word: `no`, `te`, `vide`."""
_ENDING: Final = 4
"""Letters of the endings of a stem: `puste` is in `pusteblume` by chance."""
_LONG_STEMS: Final = tuple(stem for stem in _FOREIGN if len(stem) > _SHORT_STEM or (stem > "ͯ" and len(stem) > 2))
_WHOLE: Final = frozenset(stem for stem in _FOREIGN if stem not in _LONG_STEMS)

_UNDIVIDED: Final = re.compile(
    r"将被|保存|加密|错误|錯誤|正确|正確|不能|不可|必须|必須|过期|過期|无效|無效|为空|為空|不符|不一致|没有|沒有|未|需要|请|請|失败|失敗|有误|至少|长度|強度|强度|忘记|忘記|重置|成功|太短|太长|已|不对|丢失|输入|輸入|"
    r"自動生成|送信|発行|保存|保管|間違|無効|期限|必要|空です|短|長すぎ|弱|違い|ません|できな|入力|忘れ|設定され|一致|不正|切れ|ありま|以上|文字|エラー|変更され|リセット|ない|"
    r"만료|이상이|이상의|최소|이하|자리|틀렸|틀린|틀립|잘못|올바르|유효|필수|필요|비어|짧|약합|없|않|일치|되었|됐|초기화|입력|오류|실패|잊|"
    r"多少|什么|什麼|哪个|哪個|哪里|何です|なんです|どれ|무엇|뭐|뭔가|언제|어디|"
    r"ไม่|หมดอายุ|ผิด|ต้อง|ว่าง|ถูกต้อง|สั้น|อะไร"
)
"""Of languages that do not divide their words by blanks."""

_STATES: Final = re.compile(r"(?i)[a-z]{3,}(?:ed|able|ible)|re-?\w{3,}ed")
_MEASURE: Final = re.compile(
    r"(?i)[<>=~]{0,2} ?\d+(?:[.,]\d+)?(?: ?(?:ms|s|sec\w*|min\w*|h|hours?|d|days?|weeks?|months?|years?|chars?|characters?|bytes?|bits?|digits?|attempts?|times|kb|mb|gb|%|x|tage?|stunden|jours|días|dias|giorni|дн\w*|天|日|次|位|字符|文字))\b"
)
_REFERENCE: Final = re.compile(
    r"\$[\w{(]|%[\w({]|\{[{%]|<[\w /.-]+>|\*+\Z|x{3,}\Z|[•●·.…-]+\Z|\[(?:redacted|hidden|filtered|masked|\w*:)|\(?(?:null|none|nil|true|false|undefined|empty|hidden|redacted)\)?\Z|\((?:sensitive|known after)\b|@\w|!\w+\Z|(?:vault|env|secret|file|arn|op|ssm|sops|kms):|\S+://[^@\s]+\Z|&\w+\Z|\\\(",
    re.IGNORECASE,
)
_PATH: Final = re.compile(
    r"(?:~|\.{0,2})/[\w./@+-]+|[A-Za-z]:\\[^\s]+|[\w.-]+\.(?:txt|json|ya?ml|pem|key|conf|cfg|ini|env|py|sh|md|log|crt|jks|p12|gpg|toml|xml|db|kdbx)"
)
_EXPRESSION: Final = re.compile(
    r"[A-Za-z_]\w*(?:(?:\.|->|::)[A-Za-z_]\w*)*[(\[]|[A-Za-z_]\w*(?:(?:\.|->|::)[A-Za-z_]\w*)+\Z|[A-Z]\w*<[\w, <>\[\]|?.&']+>|\$_[A-Z]+\[|(?:self|this|os|env|process|config|settings|req|request|user|args|opts|options|params|data|ctx|secrets|var|local|result|form|body|input|module|values)(?:\.|->)[A-Za-z_]|"
    r"(?:await|new|lambda|function|async|typeof|not|input|getpass)\b[ (]|[A-Z][A-Z0-9]*_[A-Z0-9_]+\Z|[=!<>]=? |=>"
)
_FIRST: Final = 3
"""Words at the start in which a statement shows."""
_PUNCTUATION: Final = "\"'`.,;:!?()[]{}«»“”„…。،؟।"


@remembered
def states_something(value: str) -> bool:
    """Return whether words after `is` or a colon are about a password, and not the password."""
    words = [word.strip(_PUNCTUATION).lower() for word in fold(value).split()][: _FIRST + 2]
    words = [word for word in words if word]
    if not words or is_reference_or_path(value):
        return True
    if len(words) > 1 and words[0] in _ADVERBS:
        return True
    if words[0] in ("not", "no", "nicht") and len(words) > 1:  # `is not kiwi any more`
        return _is_state(words[1]) or (words[1] in ("longer",) and (len(words) < _FIRST or _is_state(words[2])))
    if _MEASURE.match(value) or _UNDIVIDED.search(value) or (len(words) == 1 and words[0] in _TYPES):
        return True
    return _is_state(words[0]) or any(map(_is_hard, words[:_FIRST]))


@remembered
def is_message(value: str) -> bool:
    """Return whether a text in quotes is a message about passwords; only clear words count, because it may be a passphrase."""
    words = [word.strip(_PUNCTUATION).lower() for word in fold(value).split()]
    if not words or is_reference_or_path(value):
        return True
    if len(words) == 1:
        return words[0] in _HARD or words[0] in _TYPES or _is_foreign(words[0]) or _UNDIVIDED.search(value) is not None
    is_clear = any(word in _HARD or (len(word) > _SHORT_STEM and _is_foreign(word)) for word in words)
    return is_clear or _UNDIVIDED.search(value) is not None or _MEASURE.match(value) is not None


@remembered
def is_reference_or_path(value: str) -> bool:
    """Return whether a text refers to a secret: a variable, a mask, a path, a web address without an account."""
    return _REFERENCE.match(value) is not None or _PATH.fullmatch(value) is not None


@remembered
def is_expression(value: str) -> bool:
    """Return whether a text without quotes is code."""
    return _EXPRESSION.match(value) is not None


def _is_hard(word: str) -> bool:
    return word in _HARD or _is_foreign(word)


def _is_foreign(word: str) -> bool:
    return word in _WHOLE or (
        word.startswith(_LONG_STEMS)
        and any(word.startswith(stem) and len(word) <= len(stem) + _ENDING for stem in _LONG_STEMS)
    )


def _is_state(word: str) -> bool:
    if word in _SOFT or _is_hard(word) or word.endswith(("n't", "n’t")):
        return True
    return _STATES.fullmatch(word) is not None and is_ordinary_word(word)
