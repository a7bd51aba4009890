"""What a text claims to be a password is hidden whatever it is; what is said about a password stays."""

import sys

import pytest

from evolve.core.cases.folded_text import fold
from evolve.core.cases.redaction import Redactor

HIDDEN = (
    ("the password is kitchen sink, by the way", "kitchen sink"),
    ("please change the root password from spaghetti to lasagne.", "spaghetti", "lasagne"),
    ("the new password will be four candles in the wind", "four candles in the wind"),
    ("Das Passwort für den Drucker lautet Apfelkuchen.", "Apfelkuchen"),
    ("La contraseña del servidor es tortilla de patata.", "tortilla de patata"),
    ("Мой пароль был котёнок, теперь другой.", "котёнок"),
    ("パスワードはさくらもちです。", "さくらもち"),
    ("비밀번호를 nabi로 바꿨어요", "nabi"),
    ("كلمة المرور هي قهوة الصباح", "قهوة الصباح"),
    ("Config{url=x, password=walking stick, pool=4}", "walking stick"),
    ("use tortoise as the password", "tortoise"),
    ("I logged in as admin with sweetpotato and it worked.", "sweetpotato"),
    ("Default login is **nagadm / moorhen**", "moorhen"),
    ("auth failed for (anna:gooseberry)", "gooseberry"),
    ("### Test accounts\n\n* alice -> rabbit hole", "rabbit hole"),
    ("> what is the admin login?\nanna / turquoise", "turquoise"),
    ("Your temporary password is on the next line.\n\n  gingham", "gingham"),
    ('variable "master_password" {\n  default = "sandpiper"\n}', "sandpiper"),
    ("db_password: !plain |\n  green lantern over the bay\nport: 1", "green lantern over the bay"),
    ('const motDePasse = "papillon";', "papillon"),
    ('MQTTClient("id", "broker", 1883, "lea", "tambourine")', "tambourine"),
    ("lea@example.org:pomelo", "pomelo"),
)
KEPT = (
    "the password is stored in the keychain and is not valid any more",
    "password: must be at least 8 characters",
    "Das Passwort ist abgelaufen",
    "la contraseña no es válida",
    "неверный пароль, попробуйте ещё раз",
    "パスワードは8文字以上で入力してください",
    "비밀번호는 최소 8자리 이상이어야 합니다",
    "密码不能为空",
    "The default login page is /accounts/login",
    "return { pass: output.length > 3, score: 1 }",
    "const hashedPassword = await bcrypt.hash(password, 10);",
    "password: Promise<string>",
    "PASS: test_login_with_valid_credentials",
    "key fingerprint SHA256:uNiVztksCsDhcc0u9e8BrWasSsUQgBgXWQPz4k8o2dE",
)


@pytest.mark.parametrize(("text", "secrets"), [(text, secrets) for text, *secrets in HIDDEN])
def test_what_is_claimed_to_be_a_password_is_hidden(text: str, secrets: list[str]):
    masked = str(Redactor().redact(text))
    assert [secret for secret in secrets if secret in masked] == []


@pytest.mark.parametrize("text", KEPT)
def test_what_is_said_about_a_password_and_code_stay(text: str):
    assert Redactor().redact(text) == text


@pytest.mark.parametrize("text", [text for text, *_ in HIDDEN])
def test_a_second_redaction_changes_nothing(text: str):
    once = Redactor().redact(text)
    assert Redactor().redact(once) == once


def test_letters_without_accents_keep_their_places():
    assert fold("ŞİFRE contraseña hasło mật khẩu κωδικός") == "SIFRE contrasena haslo mat khau κωδικος"


@pytest.mark.parametrize("piece", ["密码是", "password is ", "pw: "])
def test_the_work_for_a_text_of_words_for_password_grows_in_proportion_to_it(piece: str):
    short, long = (_calls(piece * (length // len(piece))) for length in (2_000, 8_000))
    assert long < 5 * short


def _calls(text: str) -> int:
    """Returns the calls of functions that a search takes: the time depends on the machine."""
    number = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal number
        number += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        Redactor().redact(text)
    finally:
        sys.setprofile(None)
    return number
