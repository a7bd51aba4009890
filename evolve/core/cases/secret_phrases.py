"""Finds secrets by the text around them: files of programs, commands with operands, SQL, mail, prose, hashes.

Each pattern's groups are the secrets. All repetitions are bounded, so that hostile text cannot make them slow.
"""
# ruff: noqa: E501  (a pattern broken over lines is harder to compare with what it matches)

import re
from collections.abc import Iterator
from typing import Final

from evolve.core.cases.cued_rules import matches, rule
from evolve.core.cases.secret_shapes import SecretSpan
from evolve.core.cases.secret_words import COPULAS, FOREIGN_WORDS, is_reason, is_sentence, looks_made

_V: Final = r"""(?:(<(?:secret|id):[0-9a-f]{6}>)|"([^"\n]{1,300})"|'([^'\n]{1,300})'|([^\s"'|;&<>]{1,300}))"""
"""A value in the syntax of a shell."""
_STDIN: Final = (
    r"(?:sudo[ \t][^|\n]{0,40}-\w*S|[^|\n]{0,80}--password-stdin|(?:sudo[ \t]+)?(?:chpasswd|passwd|smbpasswd|cryptsetup|"
    r"su|gpg|mysql_config_editor|kinit|ldapmodify|openconnect|vncpasswd|x11vnc|mkpasswd|saslpasswd2|htpasswd|mosquitto_passwd|ldappasswd|"
    r"doveadm|gopass|pass[ \t]+insert|keyctl|secret-tool|systemd-creds|wpa_passphrase)\b)"
)
"""Programs that read a secret from their input."""
_H: Final = r"[./\w+=,-]"

_TABLE: Final = (
    # files
    r"(?m)(?:^|(?<=:[ \t]))[ \t]*(?:requirepass|masterauth|r[ow]community6?|r[ow]user|primaryauth|auth_token|rpc-secret)[ \t]+" + _V,
    r"(?i)\b(?:machine[ \t]+\S{1,200}|default)\b[^\n]{0,120}\n?(?:[ \t]+(?:login|account)[ \t]+\S{1,100}\s+)?"
    r"[^\n]{0,80}?\bpassword[ \t]+(\S{1,200})",
    r"(?im)^(?=[^\n]{0,200}\bmachine[ \t]|[ \t]{1,20}(?:password|passwd))[^\n]{0,200}?\b(?:password|passwd)[ \t]+(\S{1,200})",
    r"(?m)^(?:[\w.*-]{1,100}|\[[0-9a-f:]+\]):(?:\d{1,5}|\*):[\w.*-]{1,64}:[\w.*-]{1,64}:(\S{1,200})$",
    r"(?m)^[ \t]*user[ \t]+\S{1,60}[ \t][^\n]{0,80}?>(\S{1,100})",
    r"\bstats[ \t]+auth[ \t]+[^\s:]{1,60}:(\S{1,100})",
    r"(?i)\bcreateUser[ \t]+\S{1,60}[ \t]+(?:MD5|SHA[\d-]{0,6})[ \t]+" + _V + r"(?:[ \t]+(?:DES|AES)[\d]{0,3}[ \t]+" + _V + ")?",
    r"(?i)\bsnmp-server[ \t]+community[ \t]+" + _V,
    r"(?i)\b(?:enable|username[ \t]+\S{1,60}[^\n]{0,30})[ \t]+(?:secret|password)(?:[ \t]+\d{1,2})?[ \t]+" + _V,
    r"""(?m):[ \t]*(?:PSK|EAP|XAUTH|RSA)[ \t]+"([^"\n]{1,200})\"""",
    r"(?i)<<<[ \t]*([A-Za-z0-9+/]{43}=)",
    r"\b\w{0,30}AUTHTOK\w{0,10}[=:][ \t]*" + _V,
    r"(?i)(?<![\w.-])\d{1,5}[ \t]+(?:MD5|SHA[\d-]{1,6}|AES\d{0,3})[ \t]+(?:HEX:|ASCII:)(\S{4,200})",
    r"(?m)^[a-z_][\w.-]{0,31}:(?![*!]{1,2}:|x:|:)([^\s:]{3,120}):\d{1,10}:\d{1,10}:[^\n:]{0,100}:/",
    r"(?i)\bauth[ \t]+(?:md5|sha[\d-]{0,4})[ \t]+" + _V + r"(?:[ \t]+priv[ \t]+(?:aes|3?des)[\d-]{0,4}[ \t]+" + _V + ")?",
    # commands with operands
    r"\bbw[ \t]+unlock[ \t]+(?!-)" + _V,
    r"(?i)\b(?:insert|login|unlock|passwd|password|secret|auth)\b[^\n|]{0,60}<<<[ \t]*" + _V,
    r"(?<!\S)-pas[ \t]+" + _V,
    r"(?i)\b(?:2fa|totp|mfa|otp)\b[ \w]{0,40}[ :=]([A-Z2-7]{16,64})(?!\w)",
    r"\b(?:ejabberdctl|prosodyctl)[ \t]+(?:register|change_password)[ \t]+\S{1,60}[ \t]+\S{1,100}[ \t]+" + _V,
    r"\brabbitmqctl[ \t][^\n|;]{0,60}?(?:add_user|change_password|authenticate_user)[ \t]+\S{1,100}[ \t]+" + _V,
    r"(?i)\bnet[ \t]+user[ \t]+\S{1,60}[ \t]+(?!/)" + _V,
    r"\bwpa_passphrase[ \t]+(?:\"[^\"\n]{1,60}\"|'[^'\n]{1,60}'|[^\s=]{1,60})[ \t]+" + _V,
    r"\b(?:htpasswd|mosquitto_passwd)[ \t]+-\w*b\w*(?:[ \t]+-\S+){0,4}[ \t]+\S{1,200}[ \t]+\S{1,100}[ \t]+" + _V,
    r"\b(?:mysqladmin|mariadb-admin)[ \t][^\n|;]{0,120}?[ \t]password[ \t]+" + _V,
    r"\bnmcli[ \t][^\n|;]{0,200}?[ \t](?:password|[\w.-]{0,40}(?:psk|password|wep-key\d?))[ \t]+" + _V,
    r"\bipmitool[ \t][^\n|;]{0,200}?set[ \t]+password[ \t]+\d+[ \t]+" + _V,
    r"(?i)\b(?:sqlplus|rman|expdp|impdp|exp|imp|sqlldr)[ \t]+(?:-\w+[ \t]+){0,3}[\"']?[\w$#]{1,60}/([^\s@\"'/]{1,100})",
    r"\b(?:echo|printf)(?:[ \t]+-\w{1,3})*(?:[ \t]+['\"]?%s(?:\\n)?['\"]?)?[ \t]+" + _V + r"[ \t]*\|[ \t]*" + _STDIN,
    r"\b(?:echo|printf)(?:[ \t]+-\w{1,3})*[ \t]+[\\\"']{2,8}([^\"'\\\n|]{3,100})(?:\\{1,4}[nr]([^\"'\\\n|]{3,100}))?(?:\\{1,4}n)?[\\\"']{2,8}[ \t]*\|[ \t]*"
    + _STDIN,
    _STDIN + r"[^\n|]{0,60}<<<[ \t]*" + _V,
    r"\b(?:chpasswd)\b[^\n]{0,60}<<-?[ \t]*['\"]?\w+['\"]?\n[^\s:]{1,60}:([^\n]{1,200})",
    r"(?m)\bkubeadm[ \t][^\n]{0,100}?--token[ \t]+(\S{1,60})",
    r"(?im)^(?:[ \t]*(?-i:AUTH)|[^\n]{0,60}[>*][ \t]*AUTH)[ \t]+(?!PLAIN|LOGIN|CRAM|NTLM|XOAUTH|DIGEST)(?:\S{1,60}[ \t]+)?" + _V + "[ \t\r]*$",
    r"(?i)\b(?:CONFIG[ \t]+SET[ \t]+)(?:requirepass|masterauth)[ \t]+" + _V,
    r"(?im)\bENV[ \t]+\w{0,60}(?:PASSWORD|PASSWD|PASS|SECRET|TOKEN|API_?KEY)[ \t]+" + _V,
    r"(?im)^[ \t]*[\w-]{1,40}(?:\.[\w-]{1,40}){0,8}\.(?:password|passwd|secret|token)[ \t]+" + _V,
    r"(?<![A-Za-z])[A-Z0-9_]{1,40}(?:PASS|PW|PASSWD)=" + _V,
    r"(?i)\b(?:PWD|PASSWORD)=\{([^{}\n]{1,200})\}",
    r"(?i)\b(?:secret|bootstrap|management|master)[ _-]?(?:id|token|key)[ \t]{0,30}[=:][ \t]{0,30}" + _V,
    r"\bmc[ \t]+(?:alias[ \t]+set|config[ \t]+host[ \t]+add)[ \t]+\S{1,60}[ \t]+\S{1,200}[ \t]+(\S{1,100})[ \t]+(\S{1,200})",
    r"\b(?:vault|nomad|consul)[ \t]+login[ \t]+(?!-)" + _V,
    r"(?i)\bdefault credentials?(?: are| is|:)[ \t]+[\w.@-]{1,60}[ \t]?[/:][ \t]?" + _V,
    r"\baws[ \t]+configure[ \t]+set[ \t]+\S{0,60}(?:secret|token)\S{0,40}[ \t]+" + _V,
    r"\bopenssl[ \t][^\n|;]{0,200}?[ \t]-[kK][ \t]+" + _V,
    r"\bsmbclient[ \t]+['\"]?(?:\\\\{1,4}|//)[^\s'\"]{1,100}['\"]?[ \t]+(?!-)" + _V,
    r"(?m)^[ \t]*(?:<?auth-user-pass>?:?|\[credentials\])[ \t]*\n[^\n]{1,60}\n([^\n]{1,200})",
    # SQL
    r"(?i)\bIDENTIFIED\s{1,9}(?:WITH\s{1,9}\S{1,60}\s{1,9})?(?:BY|AS)\s{1,9}(?:PASSWORD\s{1,9})?N?" + _V,
    r"(?i)\bPASSWORD\s{0,9}[=(]{0,2}\s{0,9}N?'([^'\n]{1,300})'",
    r"(?i)\bPASSWORD\s{0,9}[=(]{0,2}\s{0,9}N?\\{1,4}'([^'\n\\]{1,300})\\{1,4}'",
    # mail
    r"(?i)\bAUTH[ \t]+(?:PLAIN|LOGIN|XOAUTH2|CRAM-MD5|NTLM|EXTERNAL)[ \t]+([A-Za-z0-9+/=]{6,})",
    r"(?is)\b334[ \t]+UGFzc3dvcmQ6[^\n]{0,20}\n(?:[^\n]{0,30}[ \t:>])?([A-Za-z0-9+/=]{4,})",
    r"(?i)\b[A-Za-z]{0,2}\d{1,5}[ \t]+LOGIN[ \t]+(?:\"[^\"\n]{1,100}\"|\S{1,100})[ \t]+" + _V,
    r"(?m)(?:^|[>:\]'\"] ?)PASS[ \t]+((?![^\s]*(?:::|/))\S{1,200})(?=\\|\s*$|['\"])",
    # hashes
    r"(\$(?:1|2[abxy]?|5|6|7|8|9|y|gy|apr1|sha1|md5|argon2\w{0,2}|scrypt|pbkdf2[\w-]{0,10}|B|S|P|H)\$[./\w$=,+-]{12,300})",
    rf"(\{{(?:S?SHA\d{{0,3}}|S?MD5|CRYPT|PBKDF2[\w-]{{0,12}}|ARGON2)\}}{_H}{{8,300}})",
    r"((?:pbkdf2_\w{2,10}|bcrypt_sha256|argon2|scrypt|SCRAM-SHA-\d{1,3})\$[\w$]{1,40}[:$][./\w+=$:,-]{16,300})",
    r"(?m)^[\w.$\\ -]{1,60}:\d{1,10}:([0-9a-fA-F]{32}):([0-9a-fA-F]{32}):",
    r"(?m)^[\w.$\\ -]{1,60}:\d{1,10}:X{32}:([0-9A-F]{32}):\[",
    r"-----BEGIN OpenVPN Static key V\d-----\s{1,4}([0-9a-f\s]{16,800}?)\s*-----END",
    r"(?i)\bauth-user-pass\b[^\n]{0,40}\n[ \t]*\S{2,60}\r?\n[ \t]*(\S{3,100})",
    # services
    r"(?<![\w-])(?:key-([0-9a-f]{32}))(?!\w)|(shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32})|(?<!\w)(dapi[0-9a-f]{32}(?:-\d)?)",
    r"(?<!\w)(tskey-[\w-]{10,100})|(?<!\w)(gsk_\w{20,80})|(?<!\w)(nvapi-[\w-]{20,100})|(dckr_pat_[\w-]{10,60})",
    r"(?<!\w)(xai-\w{40,120}|r8_\w{30,60}|pplx-\w{30,80}|lin_api_\w{20,60}|sntrys_\S{20,200}|glsa_\w{20,60}|dop_v1_\w{20,80}|"
    r"nfp_\w{20,60}|rnd_\w{20,40}|fly[A-Z]\w_\S{20,300}|SK[0-9a-f]{32}|EAAC\w{20,300}|sq0\w{3}-[\w-]{20,60}|ATATT\S{20,300}|"
    r"pul-[0-9a-f]{30,50}|PMAK-[\w-]{20,80}|figd_[\w-]{20,60}|hvp\.[\w-]{20,}|ops_eyJ[\w-]{20,800}|syt_\w{10,100})",
    r"(?i)discord(?:app)?\.com/api/(?:v\d+/)?webhooks/(\d{5,25}/[\w-]{20,120})",
    r"(?i)/bot(\d{6,12}:[\w-]{20,60})",
    r"(?i)webhook\.office\.com/webhookb2/([^\s\"'<>]{20,300})",
    r"(?<!\w)(\w{3}8Q~[\w.~-]{30,40})",
    r"(?i)[?&;](?:sig|x-amz-(?:signature|security-token|credential)|x-goog-signature|auth|authkey|key|apikey|appkey|appid|app_?key|app_?secret|subscription-key|client_?secret|access_?key|access_token|api_?token)=([^\s&#\"'<>]{6,})",
    r"(?i)\bhttps?://([0-9a-f]{32})(?::[^\s@/]{0,100})?@",
)  # fmt: skip

_PROSE: Final = (
    rf"(?i)(?<![A-Za-z])(?:pass(?:word|phrase|code|wd)|pwd|pin|secret|token|api key|credentials?|{FOREIGN_WORDS})\b"
    rf"(?:[ \t]+(?:for|of|für|pour|para|per|для|do)[ \t]+[^:\n]{{1,60}}?)?"
    rf"(?:[ \t]{{0,2}}[::][ \t]{{0,2}}|[ \t]{{1,2}}(?:{COPULAS})[ \t]{{1,2}}[:]?[ \t]{{0,2}}|(?:是|为|為|は)[ \t]{{0,2}}[::]?)"
    + _V,
    rf"(?i)\b(?:with|using|mit|avec|con|com|wrong|bad|invalid)[ \t]+(?:the[ \t]+)?(?:password|passphrase|token|{FOREIGN_WORDS})[ \t]+"
    + _V,
    r"(?i)\b(?:logged in|login|log in|sign(?:ed)? in|auth\w*)\b[^\n]{0,30}?[ \t](?:for|as|with)[ \t]+[\w.@-]{1,60}[/:]([^\s,;/]{6,100})",
)
"""In a sentence only a word that is not an ordinary one is a secret."""

_MOST_LINES: Final = 5
_STRICT: Final = tuple(rule(pattern, lines=_MOST_LINES) for pattern in _TABLE)
_LOOSE: Final = tuple(map(rule, _PROSE))


def find_phrase_secrets(text: str) -> Iterator[SecretSpan]:
    """Yield every secret that the text around it shows."""
    for match in matches(text, _STRICT):
        yield from _groups(match, is_prose=False)
    for match in matches(text, _LOOSE):
        yield from _groups(match, is_prose=True)


def _groups(match: re.Match[str], *, is_prose: bool) -> Iterator[SecretSpan]:
    for number in range(1, (match.re.groups or 0) + 1):
        value = match[number]
        if not value:
            continue
        start = match.start(number)
        shown = value.rstrip(".,;:!?)\\" if is_prose else " \t\r\\")
        if is_prose and not _is_made(shown):
            continue
        says = is_reason if not is_prose and match.string[start - 1] in "\"'" else is_sentence
        if shown and not is_reference(shown) and not says(shown):
            yield SecretSpan(start, start + len(shown))


def _is_made(word: str) -> bool:
    has_digit = any(char.isdigit() for char in word)
    return (
        len(word) >= 5 and (has_digit or looks_made(word)) and not word.startswith(("/", "./", "~")) and "(" not in word
    )


def is_reference(value: str) -> bool:
    """Return whether the value refers to a secret instead of being one: `$X`, `{{ x }}`, `<secret:...>`, `***`."""
    return (
        re.match(
            r"\$[\w{(]\w*[})]?$|\$\{|\$\(|\{\{|<|%\(?\w+\)?s?%?$|\*+$|\[|@|(?:null|none|true|false|nil|GPIO_?\d+|UGFzc3dvcmQ6|VXNlcm5hbWU6)$",
            value,
            re.I,
        )
        is not None
    )
