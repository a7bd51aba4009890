r"""Finds secrets in the places of calls, commands and directives: `login("anna", "x")`, `net use Z: \\h\s x`, `rootpw x`."""
# ruff: noqa: E501  (a pattern broken over lines is harder to compare with what it matches)

import re
from collections.abc import Iterator
from typing import Final

from evolve.core.cases.cued_rules import cued_text, rule
from evolve.core.cases.password_shapes import is_passphrase, is_plain_password, is_shown_password
from evolve.core.cases.secret_phrases import is_reference
from evolve.core.cases.secret_shapes import SecretSpan
from evolve.core.cases.secret_words import is_reason, is_sentence

_V: Final = r"""(?:"([^"\n]{3,300})"|'([^'\n]{3,300})'|([^\s"'|;&<>()]{3,300}))"""
"""A value in the syntax of a shell."""
_Q: Final = r"""[ubrf]?(?:\\?"([^"\\\n]{3,300})\\?"|\\?'([^'\\\n]{3,300})\\?')"""
"""A text in quotes, also in JSON."""
_ARG: Final = r"""[ubrf]?(?:\\?"[^"\n]{0,200}"|'[^'\n]{0,200}'|[\w.$@:/-]{1,100})"""
_SECRET_NAME: Final = r"(?:passw(?:or)?d|passphrase|pass|pwd?|secret|token|api_?key|private_?key|credentials?)"

_OPERANDS: Final = (
    # Windows
    rule(rf"(?i)\bnet[ \t]+use[ \t]+(?:\w:|\*)?[ \t]*\\\\\S{{1,200}}[ \t]+(?![/*]){_V}"),
    rule(rf"(?i)\bnet[ \t]+use[ \t][^\n]{{0,200}}?/user:\S{{1,80}}[ \t]+(?![/*]){_V}"),
    rule(rf"(?i)ConvertTo-SecureString[ \t]+(?:-AsPlainText[ \t]+)?(?:-Force[ \t]+)?(?:-String[ \t]+)?(?!-)[(]?{_V}"),
    rule(rf"(?i)[ \t]/rp[ \t:]+{_V}"),
    rule(rf"(?i)[ \t]/p:{_V}"),
    rule(rf"(?i)\b(?:ps|pa)exec(?:64)?(?:\.exe)?\b[^\n]{{0,200}}?[ \t]-p[ \t]+{_V}"),
    # programs with operands
    rule(rf"\bradtest[ \t]+(?:-\w+[ \t]+\S+[ \t]+){{0,3}}\S{{1,60}}[ \t]+{_V}[ \t]+\S+(?:[ \t]+\S+)?(?:[ \t]+{_V})?"),
    rule(rf"\bradclient[ \t][^\n]{{0,100}}?[ \t](?:auth|acct|coa|disconnect|status)[ \t]+{_V}"),
    rule(r"(?i)\b(?:thin|oci8?):[\w$#]{1,40}/([^\s\"'/]{1,100})@"),
    rule(r"\b(?:nsupdate|dig|knsupdate)\b[^\n]{0,200}?[ \t]-y[ \t]*\"?(?:[\w-]+:)?[\w.-]+:([^\s\"']{4,200})"),
    rule(rf"\bhtpasswd[ \t]+-\w*n\w*[ \t]+\S{{1,60}}[ \t]+{_V}"),
    rule(rf"\b(?:openssl[ \t]+passwd|mkpasswd)(?:[ \t]+-{{1,2}}[\w-]+(?:=\S+)?)*[ \t]+(?!-){_V}[ \t]*(?:$|[|;&)])"),
    rule(rf"(?i)\bchange[ \t]+password[ \t]+for[ \t]+\S+[ \t]+{_V}"),
    rule(r"(?i)\bACL[ \t\"]+SETUSER\b[^\n]{0,200}?[ \t\"]>([^\s\"]{1,200})"),
    rule(rf"(?im)(?:^|[\]\"' \t+])AUTH[\"']?[ \t]+(?!PLAIN|LOGIN|CRAM|NTLM|XOAUTH|DIGEST|EXTERNAL|SCRAM|GSSAPI|TLS|SSL)[\"'][^\"'\n]{{1,60}}[\"'][ \t]+{_Q}"),
    rule(rf"(?im)(?:^|[\]])[ \t]*[\"']?AUTH[\"']?[ \t]+{_Q}[ \t]*$"),
    rule(rf"(?i)\bsp_(?:add|change)?\w*(?:login|password)\b[^\n]{{0,200}},[ \t]*N?{_Q}"),
    rule(rf"(?m)^(?:ftp>)?[ \t]*(?:quote[ \t]+)?user[ \t]+[\w.@-]{{1,40}}[ \t]+{_V}[ \t]*$"),
    rule(rf"(?m)\b(?:lftp|ncftp|ftp)\b[^\n]{{0,200}}?[ \t]-u[ \t]+[\"']?[\w.@-]{{1,40}}[, ]{_V}"),
    rule(r"(?m)\biwconfig\b[^\n]{0,60}?\bkey[ \t]+(?:\[\d\][ \t]+)?(?:s:)?([^\s]{4,64})"),
    rule(rf"(?i)\b(?:echo|printf)[ \t]+{_V}[^\n]{{0,40}}\|[^\n]{{0,60}}(?:--stdin|-stdin|-passin stdin|askpass)"),
    rule(rf"(?m)^[ \t]*\+*[ \t]*(?:echo|printf)(?:[ \t]+-\w+)*(?:[ \t]+'?%s(?:\\n)?'?)?[ \t]+{_V}[ \t]*\n[ \t]*\+*[ \t]*[^\n]{{0,120}}(?:--password-stdin|--passphrase-fd|--stdin|chpasswd|sudo[ \t]+(?:-\w+[ \t]+)*-\w*S|cryptsetup|smbpasswd)", lines=3),
    rule(rf"\bmc[ \t]+admin[ \t]+user[ \t]+(?:add|svcacct[ \t]+add)[ \t]+\S{{1,40}}[ \t]+\S{{1,60}}[ \t]+{_V}"),
    rule(rf"(?i){_SECRET_NAME}\w{{0,10}}\b[^\n|;]{{0,100}}?[ \t](?:--?(?:value|literal|secret-string|data|content|body|text))[ =]{_V}"),
    rule(rf"(?i)\buser[ \t]+\S{{1,60}}[ \t]+using[ \t]+{_V}"),
    rule(rf"(?i)\bPRAGMA[ \t]+(?:\w+\.)?(?:hex)?(?:re)?key[ \t]*=[ \t]*{_V}"),
    rule(rf"(?im)^{_SECRET_NAME}[ \t]*\r?\n[A-Z$:]{{0,2}}[ \t]?\d{{1,4}}\r?\n(\S[^\n\r]{{2,200}})\r?$", lines=2),
    rule(r"(?<!\w)K10[0-9a-f]{64}::(?:[\w-]{1,60}:)?([\w.]{16,200})"),
    rule(r"\{(?:PLAIN|CLEAR|CLEARTEXT|PLAIN-TRUNC)\}([^\s:\"'<>]{3,200})"),
    rule(r"(?m)^(?:[0-9a-fA-F]{32,128}|\$\w{1,10}\$\S{10,200}?):([^\s:]{4,60})[ \t]*\r?$"),
    rule(rf"(?i){_SECRET_NAME}[^\n]{{0,100}}<<-?[ \t]*['\"]?\w{{2,20}}['\"]?\r?\n([^\s=:]{{4,200}})\r?\n", lines=2),
    # values near their names
    rule(rf"(?i)\bSET[ \t]+PASSWORD\b(?:[ \t]+FOR[ \t]+\S{{1,100}})?[ \t]*=[ \t]*(?:PASSWORD\()?{_Q}"),
    rule(rf"(?im)\bname=[\"']?[\w\[\].-]{{0,40}}{_SECRET_NAME}[\w\]]{{0,3}}[\"']?[^\n]{{0,60}}\r?\n(?:[\w-]{{1,40}}:[^\n]{{0,100}}\r?\n){{0,3}}\r?\n([^\r\n]{{3,200}})", lines=5),
    rule(rf"(?i)<(?:\w{{1,20}}:)?\w{{0,30}}{_SECRET_NAME}>\s{{0,40}}<(?:\w{{1,20}}:)?(?:value|string|text)>([^<\n]{{3,200}})<", lines=2),
    rule(rf"(?im)^[ \t]*{_SECRET_NAME}[ \t]*\n(?:[ \t]*[=:][ \t]*\n[ \t]*|[ \t]+)(\S{{4,200}})[ \t]*$", lines=3),
    rule(r"(?i)\b[\w.-]{1,40}:([^\s'\"|]{3,100})['\"]?[ \t]*\|[ \t]*(?:sudo[ \t]+)?chpasswd"),
    rule(rf"(?i)\b(?:olc)?rootpw[ \t]+{_V}"),
    rule(rf"(?im)^[ \t]*(?:set|setenv|export|let|var|env)[ \t]+[$\w.]{{0,40}}{_SECRET_NAME}\w{{0,3}}[ \t]+(?:\[list[ \t]+)?{_V}"),
    rule(rf"(?i){_SECRET_NAME}[\"']?\]?[ \t]*(?:=>|=|:)[ \t]*\w{{2,16}}\([ \t]*(?:{_ARG}[ \t]*,[ \t]*)?{_Q}"),
    rule(rf"(?i)\b(?:echo|printf)[ \t]+(?:-\w+[ \t]+)*{_V}[ \t]*>>?[ \t]*\S*(?:pass|secret|token|cred|vault|\.key)"),
    rule(rf"(?i)(?:pass|secret|cred|defaults-extra|key)[^\n]{{0,60}}<\([ \t]*(?:echo|printf)[ \t]+(?:'[^'\n]{{0,60}}%s[^'\n]{{0,10}}'[ \t]+)?{_V}"),
    rule(rf"(?i)\bidentify[ \t]+(?:\w{{1,30}}[ \t]+)?{_V}[ \t]*(?:$|\r|\n)"),
    rule(r"(?i)\bconn(?:ect)?[ \t]+[\w$#]{1,30}/([^\s/@]{3,100})@"),
    rule(rf"\b[Ss]ensitive\([ \t]*{_Q}"),
    rule(rf"(?i)(?:{_SECRET_NAME}|cookie)[\"']?[ \t]*(?:=>|[:=])[ \t]*:{_Q}"),
    rule(rf"(?i)\bkv[ \t]+put[ \t]+(?:-\S+[ \t]+)*\S{{0,100}}(?:pass|secret|token|key|cred)\S{{0,60}}[ \t]+{_V}"),
    rule(rf"(?i)\buser(?:name)?[\"']?[ \t]*[:=][ \t]*[\"']?[\w.@-]{{1,40}}[\"']?,[ \t]*[\"']?(?:key|secret|pw|p|auth)[\"']?[ \t]*[:=][ \t]*{_Q}"),
    rule(rf"(?i)<(?:\w*name|key)>[\w.-]{{0,40}}{_SECRET_NAME}</(?:\w*name|key)>\s{{0,40}}<(?:\w*value|string)>([^<\n]{{3,200}})<", lines=2),
    rule(rf"(?i)\bauthentication[ \t]+(?:text|key|mode[ \t]+\S+)[ \t]+{_V}"),
    rule(rf"(?i)\b(?:kdb5_util|kadmin(?:\.local)?|kinit)\b[^\n]{{0,80}}?[ \t]-[Pw][ \t]+{_V}"),
    rule(r"(?i)(?:key|secret|psk|seed|salt|token)[\"']?[ \t]*(?:[:=][ \t]*)?[\[{(]((?:[ \t]*(?:0x[0-9a-f]{1,2}|\d{1,3}),[ \t]*){7,127}(?:0x[0-9a-f]{1,2}|\d{1,3}))[ \t]*[\])}]"),
    rule(rf"(?i)'(?=[\w.-]{{0,40}}{_SECRET_NAME})[\w.-]{{1,60}}=((?:[^'&\n]|[ ]&[ ]){{3,200}})'"),
    rule(rf"(?i)\"(?=[\w.-]{{0,40}}{_SECRET_NAME})[\w.-]{{1,60}}=((?:[^\"&\n]|[ ]&[ ]){{3,200}})\""),
    rule(r"(?im)\bLOGIN[ \t]+\S{1,80}[ \t]+\{\d{1,4}\+?\}\r?\n[^\n]{0,80}\n[^\n:>]{0,12}[:>]?[ \t]*(\S{3,100})[ \t]*\r?$", lines=2),
    rule(r"(?i)(?:private|secret|master|signing|encryption|shared|api|access|session|root|host)[ _-]?(?:key|id|token)(?:[ \t]+\([\w ]{1,12}\))?[ \t:=]{1,4}[\"']?([0-9a-f]{32,128})(?![\w-])"),
    rule(r"(?i)\b(?:seed|recovery|mnemonic|backup)(?:[ _-](?:phrase|words|key))?[ \t]*[:=][ \t]*[\"']?((?:[a-z]{3,8}[ \t]+){11,23}[a-z]{3,8})"),
    rule(rf"(?i){_SECRET_NAME}[\w\"'\]]{{0,20}}[ \t]*[=:][ \t]*[\"'][^\"'\n]{{0,200}}[\"'][ \t]*(?:->|=>|to)[ \t]*{_Q}"),
    rule(r"(?i)\bWIFI:(?:[TSH]:[^;\n]{0,60};){0,3}P:((?:[^;\\\n]|\\.){3,100});"),
    rule(rf"(?i){_SECRET_NAME}[ \t]+\\?\"[^\"\\\n]{{1,40}}\\?\"[ \t]+{_Q}"),
    rule(rf"(?i){_SECRET_NAME}[ \t]*[=:][ \t]*0x[0-9a-f]{{4,16}}[ \t]+{_Q}"),
    rule(rf"(?i)(?:wireless|wi-?fi|wlan|wpa|ssid|hotspot|radio)[^\n]{{0,80}}?\bkey\d?[\"']?[ \t]*[:= ][ \t]*{_V}"),
    rule(rf"(?im)(?:^|[ \t>:])/(?:oper|identify|login|auth|register|pass|ns[ \t]+identify|msg[ \t]+nickserv[ \t]+(?:identify|register))(?:[ \t]+[\w.@-]{{1,40}})?[ \t]+{_V}[ \t\r]*$"),
    # directives of configuration files
    rule(rf"(?im)^[ \t]*(?:olc)?rootpw:?:?[ \t]+(?:--\w+[ \t]+)*{_V}[ \t]*$"),
    rule(rf"(?i)\b(?:insecure-password|plain-text-password(?:-value)?|wpa-passphrase|x_passphrase|bindpw|rootbindpw|secretkey)[ \t]+{_V}"),
    rule(rf"(?im)^[ \t!+>-]*(?:(?:set|no|add|edit|option|list|config|ip|ipv6|router|line|username|enable|crypto|isakmp|ikev\d|tunnel|neighbor|radius\S*|tacacs\S*|aaa|snmp\S*|ppp|wpa\S*|authentication|vty|console|ntp|server|host|peer|group|local|remote|interface|wlan|security|bgp|ospf|area|message-digest-key|standby|key-string|auth\S*|user|login|system|ldap|smtp|proxy|pki|mail)\b[^\n:={{]{{0,100}}?[ \t])?(?:key|community|secret|password|passwd|passphrase|pre-shared-key|pre-shared-secret|(?:wpa|wep|wifi)-(?:psk|key\d?|passphrase)|psk|key-string|md5|auth-pass|shared-secret)[ \t]+(?:(?:\d{{1,2}}|cipher|simple|plaintext|plain|encrypted|hash|ascii|hex|enc|ascii-text|irreversible-cipher|sha\d{{0,3}}|md5|local|clear)[ \t]+){{0,2}}{_V}(?=[ \t]*(?:;|$)|[ \t]+(?:address|hostname|level|privilege|role|encrypted|authorization|rw|ro|auth-port|acct-port|timeout|port|local|group|option|index)\b)"),
    rule(rf"\bsecret[ \t]+{_Q}[ \t]*;"),
    rule(rf"(?m)^[ \t]*\d{{1,5}}[ \t]+(?:MD5|SHA\d{{0,3}}|M|AES128CMAC)[ \t]+{_V}[ \t]*(?:$|#)"),
    rule(r"(?m)^[ \t]*[\"']?[\w.@\\-]{1,60}[\"']?[ \t]+(?:\*|[\w.-]{1,40})[ \t]+[\"']?([^\s\"']{5,100})[\"']?[ \t]+\*[ \t]*$"),
    rule(r"(?m)(?:^[ \t]*(?:[\w-]+\.)+\w+|(?<!\S)\[[\w.-]{3,100}\])(?::\d{1,5})?[ \t]+[\w.@+-]{1,80}:([^\s]{4,100})[ \t]*$"),
    rule(r"(?m)^[ \t]*[\"']?https?://[^\s\"']{1,200}[\"']?[ \t]+[\"']?[\w.@+-]{1,80}[\"']?[ \t]+[\"']?([^\s\"']{5,100})[\"']?[ \t]*$"),
    rule(rf"(?i)(?:--from-literal|--set(?:-string)?|-meta|--build-arg|-var|-e|--env)[ =][\"']?[\w.-]{{0,40}}{_SECRET_NAME}=([^\s\"',]{{3,300}})"),
    rule(r"(?i)\b\w{0,40}(?:_SIGN(?:ING)?|_HMAC|_SALT|_PEPPER|_SEED|_PAT|_PSK|_LICEN[SC]E)[ \t]*[=:][ \t]*[\"']?([\w+/=-]{12,200})"),
)  # fmt: skip
"""Places of which the word is the secret, unless it refers to one."""

_CALLS: Final = (
    rule(rf"(?<!\S)(?:-[uUl]|--?(?:user|username|login|user-name))[ \t=]{{0,3}}[\w.@\\+-]{{1,60}}[ \t](?:[^\n|;]{{0,80}}?[ \t])?(?:-[pPw]|-pw|--?pass)[ \t=]{{0,3}}{_V}"),
    rule(r"(?<!\S)(?:--user|--userpwd|--auth|--creds?|--login|--proxy-user|--basic-auth|-u)[ =][\"']?[A-Za-z][\w.@-]{0,40}:([^\s\"',:/]{3,200})"),
    rule(rf"(?i)\b(?:begin|softAP)\([ \t]*{_ARG}[ \t]*,[ \t]*{_Q}"),
    rule(rf"(?im)(?:Auth|User|Db|Smtp|Admin|Root|Login|Proxy)\w{{0,20}}{_SECRET_NAME}[ \t]+{_V}[ \t]*\r?$"),
    rule(rf"(?im){_SECRET_NAME}[\"']?[\])]?[ \t]*\r?\n[ \t]*(?:=>|->|:|\$\d+ =(?: 0x[0-9a-f]+)?)?[ \t]*{_Q}[ \t]*\r?$", lines=1),
    rule(rf"(?i)\b(?:read|write|rw|ro|password|key|secret|community)[ \t]+(?:cipher|plain|simple|encrypted)[ \t]+{_V}[ \t]*(?:$|\s)"),
    rule(rf"(?im)(?:^|[>:\]][ \t]?)[ \t]*[\w.*]{{1,12}}[ \t]+login[ \t]+(?:\"[^\"\n]{{1,80}}\"|[\w.@+-]{{1,80}})[ \t]+{_V}[ \t]*\r?$"),
    rule(rf"(?i)(?<![a-z])auth[ \t]*[=:][ \t]*[(\[][ \t]*{_ARG}[ \t]*,[ \t]*{_Q}"),
    rule(rf"(?i)\b(?:[\w.:>-]{{0,60}}(?:log[_-]?in|auth\w{{0,20}}|credentials?|cred|signin|sign_in|bind\w{{0,8}}|\w{{0,20}}entry|set_?user\w{{0,16}}|userpass\w{{0,12}}))\([ \t]*{_ARG}[ \t]*,[ \t]*{_Q}"),
    rule(rf"(?i)\b[\w.:>-]{{0,60}}(?:connect(?:ion)?\w{{0,12}}|mysqli|PDO|client|open|\w{{0,20}}entry)\(\s{{0,40}}{_ARG}\s{{0,40}},\s{{0,40}}{_ARG}\s{{0,40}},\s{{0,40}}{_Q}", lines=3),
    rule(rf"(?i)\b[\w.:>-]{{0,60}}(?:passw(?:or)?d|passphrase|secret|pwd)\w{{0,8}}\([ \t]*{_Q}[ \t]*\)"),
    rule(rf"(?i){_SECRET_NAME}[\"']?[\])]?[ \t]*(?:,|\|\||\?\?|\bor\b|\?:|:-|:=|[=!]==?|<>)[ \t]*{_Q}"),
    rule(rf"(?i)\$\{{[\w.-]{{0,40}}{_SECRET_NAME}:?[-=]([^\s}}\"']{{3,200}})\}}"),
)  # fmt: skip
"""Arguments of calls, where a word that says something is possible too: `check("password", "required")`."""

_DIRECTIVE: Final = re.compile(
    r"(?i)(?:key|pair|file|path|type|is|for|not|with|and|from|to|in|of|rsa|generate|zeroize|chain)"
)


def find_placed_operands(text: str) -> Iterator[SecretSpan]:
    """Yield every operand, argument and directive's value that is a secret by its place."""
    cued = cued_text(text)
    for one in _OPERANDS:
        for match in cued.matches(one):
            yield from _groups(match, is_sure=True)
    for one in _CALLS:
        for match in cued.matches(one):
            yield from _groups(match, is_sure=False)


def _groups(match: re.Match[str], *, is_sure: bool) -> Iterator[SecretSpan]:
    for group in range(1, match.re.groups + 1):
        value = match[group]
        is_quoted = is_sure and match.string[match.end(group) : match.end(group) + 1] in ("'", '"')
        says = is_reason if is_quoted else is_sentence
        if not value or is_reference(value) or says(value) or value.startswith(("-", "/", "./", "{{")):
            continue
        is_other = not _DIRECTIVE.fullmatch(value) if is_sure else " " not in value and _is_mixed(value)
        if is_other or is_shown_password(value) or is_plain_password(value) or (" " in value and is_passphrase(value)):
            yield SecretSpan(*match.span(group))


def _is_mixed(value: str) -> bool:
    """Whether a text in quotes is no name: it has letters and digits or signs."""
    return any(map(str.isdigit, value)) and any(map(str.isalpha, value)) and "://" not in value
