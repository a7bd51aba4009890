"""Finds what a command that shows a secret printed: the line below `$ vault kv get -field=password db`."""
# ruff: noqa: E501  (a pattern broken over lines is harder to compare with what it matches)

import re
from collections.abc import Iterator
from typing import Final

from evolve.core.cases.cued_rules import cued_text, rule
from evolve.core.cases.password_shapes import is_plain_password, is_shown_password
from evolve.core.cases.random_text import looks_random
from evolve.core.cases.secret_phrases import is_reference
from evolve.core.cases.secret_shapes import SecretSpan
from evolve.core.cases.secret_words import is_sentence

_PROGRAMS: Final = (
    "kubectl|oc|vault|gcloud|aws|az|cat|echo|printf|printenv|env|pass|op|bw|gpg|age|sops|openssl|base64|pwgen|apg|mkpasswd|docker|"
    "nomad|consul|jq|yq|awk|grep|sed|head|tail|gh|glab|kubeadm|systemd-creds|security|secret-tool|keyring|gopass|ansible-vault|rails|"
    "terraform|tofu|pulumi|helm|argocd|doctl|wg|date|read|xxd|python3?|node|ruby|perl|php|psql|mysql|redis-cli|sqlite3|sudo|crudini|get-\\w+|curl|wget|tr"
)
_COMMAND: Final = rule(
    rf"(?im)^(?:[^\n$#>%]{{0,60}}[$#>%][ \t]+|\++[ \t]+|>>>[ \t]|[ \t]{{0,8}})(?=(?:{_PROGRAMS})[ \t])"
    r"[^\n]{0,300}?(?:pass(?:w|ph|code)|passwd|pwd\b|secret|token|cred|api[_-]?key|[_.-]pass\b|\bpin\b|private|pwgen|mkpasswd|apg\b|\bpass[ \t]+show|rand[ \t]+-|psk|join-command|genpsk|genkey|otp)[^\n]{0,300}\n",
    lines=1,
)
_READS: Final = re.compile(r"(?i)\bread[ \t]+-\w*s")
_NEXT: Final = re.compile(r"[^\n]*\n?")
_PROMPT: Final = re.compile(r"[^\n$#>%]{0,60}[$#>%](?:[ \t]|$)|\++[ \t]")
_SHOWS: Final = re.compile(r"(?i)\b(?:echo|printf|print|cat|printenv)\b")
_LINES: Final = 4
_FEWEST_DIGITS: Final = 4
_OTHER: Final = re.compile(
    r"(?i)[\w.-]+/[\w./-]+|/\S*|\S*\.(?:py|sh|ya?ml|json|txt|conf|env|pem|crt|key|internal|local)|https?://\S+|v?\d+(?:\.\d+)+\S*|NAME|KEY|OK|[a-z]+(?:-[a-z]+)?:|\[?\d{4}-\d\d-\d\d\S*"
)
"""Names of files and objects, versions, times, headings."""


def find_printed_secrets(text: str) -> Iterator[SecretSpan]:
    """Yield every word that is alone on a line below a command that shows a secret."""
    for command in cued_text(text).matches(_COMMAND):
        shows = not _READS.search(command[0])
        at = command.end()
        for _ in range(_LINES):
            line = _NEXT.match(text, at)
            if line is None or not line[0]:
                break
            at = line.end()
            if _PROMPT.match(line[0]):
                # After a silent prompt the variable is shown by a further command.
                if shows or not _SHOWS.search(line[0]):
                    break
                shows = True
                continue
            word = line[0].strip().strip("'\"")
            if shows and word and " " not in word and _is_secret(word):
                start = line.start() + line[0].index(word)
                yield SecretSpan(start, start + len(word))


def _is_secret(word: str) -> bool:
    if is_reference(word) or is_sentence(word) or _OTHER.fullmatch(word):
        return False
    return (
        is_shown_password(word)
        or looks_random(word)
        or (word.isdigit() and len(word) >= _FEWEST_DIGITS)
        or re.fullmatch(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[\w+/-]{8,}={1,2}", word) is not None
        or (len(word) >= 8 and is_plain_password(word))
    )
