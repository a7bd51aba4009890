"""Finds secrets that programs get as options: `curl -u user:x`, `mysql -px`, `sshpass -p x`."""
# ruff: noqa: E501  (a pattern broken over lines is harder to compare with what it matches)

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from evolve.core.cases.cued_rules import matches, rule
from evolve.core.cases.oddness import oddness
from evolve.core.cases.ordinary_words import words_of
from evolve.core.cases.secret_shapes import SecretSpan


class _Options(NamedTuple):
    separate: str = ""
    """options whose value is the next word, by blanks"""
    attached: str = ""
    """options of one letter whose value follows without a blank"""
    after: str = ""
    """the secret begins after this sign: `user:x`, `user%x`, `pass:x`"""


_PROGRAMS: Final = {
    "curl": _Options("-u --user -U --proxy-user --pass --proxy-pass --oauth2-bearer --key-pass --tlspassword -E", "uU", ":"),
    "wget wget2 aria2c axel": _Options("--password --http-password --ftp-password --proxy-password --http-passwd --ftp-passwd"),
    "http https xh httpie": _Options("-a --auth", "a", ":"),
    "sshpass": _Options("-p", "p"),
    "plink pscp psftp putty": _Options("-pw"),
    "mysql mysqldump mysqladmin mysqlimport mysqlshow mysqlcheck mysqlbinlog mysqlpump mysqlsh mariadb mariadb-dump "
    "mariadb-admin mariadb-check": _Options("--password --password1", "p"),
    "mosquitto_pub mosquitto_sub mosquitto_rr mosquitto_ctrl": _Options("-P --pw --psk", "P"),
    "mqtt mqttx": _Options("-pw -P --password -p"),
    "redis-cli valkey-cli keydb-cli": _Options("-a --pass"),
    "ldapsearch ldapadd ldapmodify ldapdelete ldapwhoami ldapcompare ldapmodrdn ldapexop kadmin": _Options("-w", "w"),
    "ldappasswd": _Options("-w -s -a", "wsa"),
    "slappasswd": _Options("-s"),
    "snmpwalk snmpget snmpset snmpbulkwalk snmpbulkget snmptrap snmptable snmpgetnext snmpdf snmpinform": _Options(
        "-c -A -X -a_pass -3m -3k", "AXc"
    ),
    "ipmitool": _Options("-P -k -y", "P"),
    "fence_ipmilan fence_idrac fence_ilo fence_apc fence_vmware_soap": _Options("-p --password"),
    "smbclient rpcclient smbget smbpasswd net winexe smbcacls": _Options("-U --user --password --pw-nt-hash", "U", "%"),
    "iwctl": _Options("--passphrase -P"),
    "rabbitmqadmin": _Options("-p --password"),
    "influx cqlsh clickhouse-client clickhouse": _Options("-password -p --password"),
    "mongo mongosh mongodump mongorestore mongoexport mongoimport": _Options("-p --password"),
    "sqlcmd bcp osql isql tsql": _Options("-P", "P"),
    "docker podman nerdctl buildah skopeo crane helm oras": _Options("-p --password --creds --src-creds --dest-creds"),
    "az gcloud oc heroku cf vault consul nomad": _Options("-p --password --token -token --client-secret"),
    "useradd usermod adduser": _Options("-p --password"),
    "7z 7za 7zr 7zz rar unrar": _Options("", "p"),
    "zip unzip": _Options("-P", "P"),
    "openssl": _Options("-pass -passin -passout -password", "", "pass:"),
    "gpg gpg2": _Options("--passphrase"),
    "htpasswd": _Options("-p"),
    "cryptsetup borg restic": _Options("--key --password"),
    "ansible-playbook ansible": _Options("--vault-password"),
    "svn hg": _Options("--password"),
    "lftp ncftp ncftpput ncftpget": _Options("-u -p", "", ","),
    "xfreerdp rdesktop vncviewer": _Options("-p", "p"),
    "mail mailx swaks sendemail": _Options("-ap --auth-password -xp"),
    "security": _Options("-p -w"),
    "ssh-keygen": _Options("-N -P"),
    "keytool jarsigner": _Options("-storepass -keypass -srcstorepass -deststorepass -new"),
    "gnmic vncdo vncdotool rdcli freerdp nxctl telnetlib": _Options("-p --password"),
    "expect impacket crackmapexec nxc evil-winrm hydra": _Options("-p"),
}  # fmt: skip
"""Programs, and their options that carry a secret; from their manual pages."""

_NEEDS_VERB: Final = dict.fromkeys(("docker", "podman", "nerdctl", "helm", "buildah", "oc", "cf", "az"), "login")
"""Programs that give `-p` other meanings without this word: `docker run -p 8080:80`."""

_BY_NAME: Final = {name: options for names, options in _PROGRAMS.items() for name in names.split()}
_COMMAND: Final = re.compile(
    rf"(?<![\w.-])({'|'.join(sorted(map(re.escape, _BY_NAME), key=len, reverse=True))})(?=(?:64)?(?:\.exe)?[\"']?[ \t])"
)
_WORD: Final = re.compile(r"""(?:\\?"[^"\n]{0,500}"|'[^'\n]{0,500}'|\\.|[^\s"'|;&\\])+|[|;&]""")
_LINE: Final = re.compile(r"[^\n]{1,2000}")
_ASSIGNS: Final = re.compile(r"""['"](?P<value>.*)['"]""", re.DOTALL)


_ANY: Final = rule(
    r"(?m)(?:^|[|;&(`]|[$#>][ \t])[ \t]*(?:sudo[ \t]+)?(?:[\w./-]*/)?(?P<program>[a-z][\w.-]{1,30})[ \t](?=[^\n|;&]{0,200}[ \t]-[pP][ \t=])[^\n|;&]{0,200}?(?<=[ \t])-[pP][ \t=][ \t]*[\"']?(?P<value>[^\s\"'|;&/.:=,$<{-][^\s\"'|;&/:=,$<{]{3,60})",
    lines=0,
)
_OTHER_MEANING: Final = words_of("""
mkdir cp ps ssh scp sftp docker podman kubectl tar install make nmap git grep patch touch mv rsync python python3 pytest gcc cargo npm yarn lsof netstat
journalctl fdisk parted rm ln read test pgrep pkill perl ruby node go java less man diff sed awk tee cut sort tox nomad consul helm terraform ansible
ansible-playbook gem pip pip3 apt dpkg rpm yum screen tmux nc ncat telnet iptables ip ss tcpdump strace ltrace kill cpio dd mount umount date who declare
export pnpm npx rails rake bundle gradle mvn mix sbt dotnet lein systemctl service hping3 ping traceroute dig host psql createdb dropdb pg_dump pg_restore
codex claude promptfoo evolve pidof fuser xargs find unzip zip nice renice qsub sbatch srun salloc squeue
""")
"""Programs to which `-p` is no password: a port, a path, a process, a profile."""


def find_option_secrets(text: str) -> Iterator[SecretSpan]:
    """Yield every secret in an option of a known program, and after `-p` of unknown ones what no list has."""
    for found in matches(text, (_ANY,)):
        if found["program"] not in _OTHER_MEANING and found["program"] not in _BY_NAME and oddness(found["value"]):
            yield SecretSpan(*found.span("value"))
    for command in _COMMAND.finditer(text):
        line = _LINE.match(text, command.end())
        if line is not None:
            yield from _secrets(command[1], text, line.start(), line.end())


def _secrets(program: str, text: str, start: int, end: int) -> Iterator[SecretSpan]:
    options, words = _BY_NAME[program], []
    for word in _WORD.finditer(text, start, end):
        if word[0] in ("|", ";", "&"):
            break
        words.append(word)
    verb = _NEEDS_VERB.get(program)
    if verb and all(word[0] != verb for word in words) and not any("creds" in word[0] for word in words):
        return
    expects = False
    for word in words:
        if expects:
            yield from _part(word.start(), word[0], options.after)
        expects = not expects and _takes_next(word[0], options)
        yield from _own_value(word, options)


def _takes_next(word: str, options: _Options) -> bool:
    """Whether the word is an option whose value is the next word; also `-sSfu`, with others before it."""
    if word in options.separate.split():
        return True
    cluster = re.fullmatch(r"-[a-zA-Z]{2,8}", word)
    return bool(cluster and "-" + word[-1] in options.separate.split() and word[-1] in options.attached and word[1:-1].isalpha()
                and options.after == ":")  # fmt: skip


def _own_value(word: re.Match[str], options: _Options) -> Iterator[SecretSpan]:
    """Yields the secret in `--password=x` and `-px`."""
    name, equals, value = word[0].partition("=")
    if equals and name in options.separate.split():
        yield from _part(word.start() + len(name) + 1, value, options.after)
        return
    is_attached = len(word[0]) > 2 and word[0][0] == "-" and word[0][1] in options.attached
    if is_attached and not _takes_next(word[0], options):
        yield from _part(word.start() + 2, word[0][2:], options.after)


def _part(start: int, value: str, after: str) -> Iterator[SecretSpan]:
    quoted = _ASSIGNS.fullmatch(value)
    if quoted:
        start, value = start + 1, quoted["value"]
    if after and after in value:
        at = value.index(after) + len(after)
        start, value = start + at, value[at:]
    elif (after and after != "%") or (after == "%" and not looks_like_value(value)):
        return
    if value and not value.startswith(("$", "<", "-", "{")):
        yield SecretSpan(start, start + len(value))


def looks_like_value(value: str) -> bool:
    """Return whether the word has digits and is no user name."""
    return any(char.isdigit() for char in value) and not value.startswith("//")
