"""Near the name of a secret, what is no ordinary word is hidden, whatever the syntax; what readers need stays."""

import pytest

from evolve.core.cases.redaction import Redactor

HIDDEN = (
    ("the vault asks for a passphrase twice, kingfisher worked", "kingfisher"),
    ("[10:02] tom: vpn is tom.h and Bristol-2019 for the pw", "Bristol-2019"),
    ("<anna> crimsonleaf\n<anna> that is the db password, delete it", "crimsonleaf"),
    ("q: what is the admin password?\na: it should be saxophone unless someone changed it", "saxophone"),
    ("Password for 'https://git.example.org': driftwood", "driftwood"),
    ("FYI creds for grafana: admin / tangerine", "tangerine"),
    ("conn.login('robot', 'tin soldier')", "tin soldier"),
    ("+COOKIE_SIGNING=marzipan_loaf", "marzipan_loaf"),
    ("El usuario es soporte, la clave mariposa_azul.", "mariposa_azul"),
    ("Код подтверждения 782424 никому не сообщайте", "782424"),
    ("it was Bristol-2019 last week", "Bristol-2019"),
)
KEPT = (
    "tokens: prompt=1359 completion=211, the token limit is 4096",
    "password_policy: strict, token_ttl: 45m",
    "password authentication failed for user reporting",
    "password manager bitwarden-cli is not installed",
    "the password of the database is expired and must be changed",
    "Das Passwort ist abgelaufen und muss geändert werden.",
    "AssertionError: 'Invalid password' not found in 'Welcome back'",
)


@pytest.mark.parametrize(("text", "secret"), HIDDEN)
def test_an_unlisted_word_near_the_name_of_a_secret_is_hidden(text: str, secret: str):
    masked = str(Redactor().redact(text))
    assert not [word for word in secret.split() if word in masked]


@pytest.mark.parametrize("text", KEPT)
def test_what_is_said_of_a_secret_stays(text: str):
    assert Redactor().redact(text) == text


@pytest.mark.parametrize("text", [text for text, _ in HIDDEN])
def test_a_second_redaction_changes_nothing(text: str):
    once = Redactor().redact(text)
    assert Redactor().redact(once) == once
