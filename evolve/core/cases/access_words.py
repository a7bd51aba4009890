"""The words for access to something, for accounts, and for ways to log in, in many languages."""
# ruff: noqa: E501, RUF001  (words of many alphabets; a pattern broken over lines is harder to compare with what it matches)

from bisect import bisect_right
from typing import Final

from evolve.core.cases.cued_rules import cued_text, remembered, rule
from evolve.core.cases.oddness import oddness
from evolve.core.cases.ordinary_words import words_of
from evolve.core.cases.text_lines import lines_of

ACCESS: Final = rule(
    r"(?i)(?<![a-z])(?:log(?:ged|ging|s)?[ -]?(?:in|on)(?:to)?|login|logon|sign(?:ed|ing|s)?[ -]?(?:in|on)|unlock(?:s|ed|ing)?|authenticat\w+|auth\w{0,6}|connect(?:s|ed|ing)?|creds?|credentials?|access|hand-?overs?|get in(?:to)?|got in(?:to)?|vault|safe|wi-?fi|wlan|vpn|ssh|ftp|smtp|mqtt|"
    r"digest|users?|usernames?|accounts?|profile|admin|root|decrypt\w*|open(?:s|ed)? (?:the|it)|prompt|hash(?:cat|ed)?|cracked|bot|"
    r"anmeld\w*|angemeldet|einlog\w*|eingeloggt|meld\w{1,4} (?:dich|sich|mich|euch)|zugang\w*|zugriff\w*|benutzer\w*|konto|konten|"
    r"connecte?[zr]?|connecté\w*|identifiants?|accès|comptes?|utilisateur\w*|inici\w+ sesión|entr[aeoóé]\w{0,4}|acced\w+|acceso\w*|credencia(?:l|is|les)|cuentas?|usuarios?|usuári\w+|"
    r"acesso\w*|fazer login|faça login|contas?|accesso|accedi|credenzial[ei]|utent[ei]|войти|вой[дт]\w*|вош[её]л|вход\w*|зайд\w*|зайти|доступ\w*|учётк\w*|учетк\w*|логин\w*|пользовател\w*|аккаунт\w*|под (?:админом|рутом)|"
    r"inlog\w*|ingelogd|logga\w* in|inloggad|logget? (?:ind|inn)|logg (?:ind|inn)|zalog\w*|logow\w*|kont[oa]|dostęp\w*|giriş|hesap\w*|kullan[ıi]c[ıi]\w*|masuk|akun|đăng nhập|tài khoản|συνδ\w+|χρήστη\w*|přihlas\w*|přihláš\w*|účet|bejelentkez\w*|autentific\w+|cont(?:ul)?|conect\w+)(?![a-z])|登录|登入|登陆|账号|帳號|账户|用户|管理员|管理員|ログイン|アカウント|ユーザー|管理者|使用者|로그인|계정|아이디|관리자|تسجيل الدخول|المستخدم|الحساب|लॉग ?इन|खाता|משתמש|เข้าสู่ระบบ|ผู้ใช้"
)
ACCOUNTS: Final = words_of("""
admin root administrator user guest test demo backup postgres sa oracle service support operator ubuntu pi deploy dev ops app apps api web sys system mysql
tester manager superuser viewer reader writer editor master kiosk scott rep ro rw jenkins git ci bot svc gast invité invitado ospite convidado hôte benutzer
usuario utente admins anonymous nobody student staff student1 kasse caja stage lab office reception sales helpdesk monitor scanner printer camera
""")
METHODS: Final = words_of("""
google sso github gitlab microsoft azure facebook apple ldap oauth oidc saml ssh kerberos token tokens key keys certificate certificates email e-mail phone biometrics face passkey webauthn yubikey
password passwords passwort credentials account accounts username browser redirect error errors code status method mode provider session cookie api tls ssl server client database
otp totp mfa sms id ids cert certs keyfile agent proxy port host address user users name names success failure warning timeout exception permission permissions role roles
group groups region project tenant domain realm team version build commit branch release job node pod container image alloc service queue topic table column
""")
EDGE: Final = " \t\"'`.,;:!?()[]{}<>«»“”„*_"


def is_account(word: str) -> bool:
    """Return whether a word may be an account's name."""
    word = word.strip(EDGE)
    return word.lower() in ACCOUNTS or "@" in word or oddness(word) > 0 or (1 < len(word) < 4 and word.isalpha())


@remembered
def access_lines(text: str) -> frozenset[int]:
    """Return where the lines begin that speak of access or accounts."""
    starts = [start for start, _ in lines_of(text)]
    return frozenset(starts[bisect_right(starts, match.start()) - 1] for match in cued_text(text).matches(ACCESS))
