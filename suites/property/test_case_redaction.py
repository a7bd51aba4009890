"""No secret survives redaction, and the record's own ids do."""

import base64
import json
import string
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.core.cases.redaction import CannotRedact, Redactor
from evolve.core.cases.secret_shapes import Span
from evolve.core.json_value import JsonValue

ALNUM = string.ascii_letters + string.digits
B64 = ALNUM + "+/"
HEX = "0123456789abcdef"


def drawn(random: Random, alphabet: str, length: int) -> str:
    return "".join(random.choice(alphabet) for _ in range(length))


def uuid(random: Random) -> str:
    return "-".join(drawn(random, HEX, length) for length in (8, 4, 4, 4, 12))


def password(random: Random) -> str:
    return drawn(random, string.ascii_lowercase, 5) + drawn(random, string.digits, 3) + random.choice("!#%_-") + "Q"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def aws(random: Random) -> tuple[list[str], str]:
    name, key = "AKIA" + drawn(random, string.ascii_uppercase + "234567", 16), drawn(random, B64, 40)
    return [name, key], f"aws_access_key_id = {name}\naws_secret_access_key = {key}\nregion = eu-central-1"


def prefixed(prefix: str, alphabet: str, length: int) -> Callable[[Random], tuple[list[str], str]]:
    def make(random: Random) -> tuple[list[str], str]:
        token = prefix + drawn(random, alphabet, length)
        shapes = ["using {} for the upload", "401 for {}", '{{"auth": "{}", "n": 1}}', "x={}", "({}) was refused"]
        return [token], random.choice(shapes).format(token)

    return make


def jwt(random: Random) -> tuple[list[str], str]:
    head, body = (b64(json.dumps(part)).rstrip("=") for part in ({"alg": "HS256"}, {"sub": drawn(random, HEX, 9)}))
    token = f"{head}.{body}.{drawn(random, ALNUM + '-_', 43)}"
    return [token], f"token is {token}"


def pem(random: Random) -> tuple[list[str], str]:
    lines = [drawn(random, B64, 64) for _ in range(6)] + [drawn(random, B64, 22) + "=="]
    kind = random.choice(["RSA PRIVATE KEY", "PRIVATE KEY", "OPENSSH PRIVATE KEY", "EC PRIVATE KEY"])
    return lines, f"-----BEGIN {kind}-----\n" + "\n".join(lines) + f"\n-----END {kind}-----"


def cut_pem(random: Random) -> tuple[list[str], str]:
    lines, text = pem(random)
    return lines, text.rpartition("\n")[0]


def url(random: Random) -> tuple[list[str], str]:
    secret = password(random)
    scheme = random.choice(["postgres", "https", "amqp", "redis", "mongodb+srv"])
    return [secret], f"cannot connect to {scheme}://svc:{secret}@db.internal:5432/orders?sslmode=require"


def basic(random: Random) -> tuple[list[str], str]:
    secret = password(random)
    encoded = b64(f"admin:{secret}")
    return [secret, encoded], f"> Authorization: Basic {encoded}\n> Accept: */*"


def bearer(random: Random) -> tuple[list[str], str]:
    token = drawn(random, ALNUM, 24)
    return [token], random.choice(
        [f"Authorization: Bearer {token}", f"curl -H 'Authorization: Bearer {token}' http://x", f"sent Bearer {token}"]
    )


def assigned(random: Random) -> tuple[list[str], str]:
    secret = password(random)
    names = ["DB_PASSWORD", "password", "client_secret", "API_TOKEN", "apiKey", "dbPassword", "smtp-password"]
    name = random.choice(names)
    forms = [
        "{0}={1}", 'export {0}="{1}"', "  {0}: {1}", '{{"{0}": "{1}", "port": 80}}', "{{'{0}': '{1}'}}", "{0} = {1}",
        "--{0} {1}", "--{0}={1} --verbose", 'msg="login" {0}={1} n=1', '"{{\\"{0}\\":\\"{1}\\"}}"', "env: [{0}={1}]",
        "http://x/?{0}={1}&page=2", '{{"name": "{0}", "value": "{1}"}}',
    ]  # fmt: skip
    return [secret], random.choice(forms).format(name, secret)


def plain_word(random: Random) -> tuple[list[str], str]:
    secret = drawn(random, string.ascii_lowercase, 12)
    return [secret], random.choice(["password: {}", "PGPASSWORD={}", '"password": "{}"', "--password {}"]).format(
        secret
    )


def cluster(random: Random) -> tuple[list[str], str]:
    secret = uuid(random)
    shapes = [
        "NOMAD_TOKEN={}", "X-Nomad-Token: {}", "CONSUL_HTTP_TOKEN={}", "GET /v1/kv/a?token={}&dc=x", 'SecretID: "{}"',
        "-token={}", '{{"X-Consul-Token": "{}"}}', 'management token = "{}"', "secret_id: {}",
    ]  # fmt: skip
    return [secret], random.choice(shapes).format(secret)


def azure(random: Random) -> tuple[list[str], str]:
    key = drawn(random, B64, 86) + "=="
    return [key], f"DefaultEndpointsProtocol=https;AccountName=st;AccountKey={key};EndpointSuffix=core.windows.net"


def gcp(random: Random) -> tuple[list[str], str]:
    lines, key = pem(random)
    account = {"type": "service_account", "private_key_id": drawn(random, HEX, 40), "private_key": key + "\n"}
    return [*lines, str(account["private_key_id"])], json.dumps(account)


def random_hex(random: Random) -> tuple[list[str], str]:
    value = drawn(random, HEX, 31) + "7a"
    return [value], f"seed {value} loaded"


def random_base64(random: Random) -> tuple[list[str], str]:
    value = drawn(random, ALNUM, 40) + "0Zz="
    return [value], f"read {value} from disk"


def cookie(random: Random) -> tuple[list[str], str]:
    one, two = drawn(random, HEX, 26), drawn(random, string.ascii_letters, 10) + "1"
    return [one, two], random.choice(["Cookie: sid={}; theme={}", "Set-Cookie: a={}; b={}; Path=/"]).format(one, two)


def divided(random: Random) -> tuple[list[str], str]:
    token = "ghp_" + drawn(random, ALNUM, 36)
    at = random.randrange(6, 34)
    return [token[:at][-12:], token[at:][:12]] if at > 12 else [
        token[at:]
    ], f"token {token[:at]}\n    {token[at:]} refused"


def encoded(random: Random) -> tuple[list[str], str]:
    value = b64(random.choice(["DB_PASSWORD={}", "https://u:{}@x/y", '{{"token": "{}"}}']).format(password(random)))
    return [value], f"data: {value}"


def slack_hook(random: Random) -> tuple[list[str], str]:
    tail = drawn(random, ALNUM, 24)
    return [tail], f"POST https://hooks.slack.com/services/T{drawn(random, ALNUM, 8)}/B{drawn(random, ALNUM, 8)}/{tail}"


KINDS: dict[str, Callable[[Random], tuple[list[str], str]]] = {
    "aws": aws,
    "github": prefixed("ghp_", ALNUM, 36),
    "github-fine": prefixed("github_pat_", ALNUM + "_", 70),
    "gitlab": prefixed("glpat-", ALNUM + "-_", 20),
    "slack": prefixed("xoxb-", string.digits + "-" + ALNUM, 40),
    "slack-hook": slack_hook,
    "stripe": prefixed("sk_live_", ALNUM, 24),
    "openai": prefixed("sk-proj-1", ALNUM + "-_", 48),
    "anthropic": prefixed("sk-ant-api03-", ALNUM + "-_", 80),
    "hugging-face": prefixed("hf_", ALNUM, 34),
    "npm": prefixed("npm_", ALNUM, 36),
    "pypi": prefixed("pypi-AgEIcHlwaS5vcmc", ALNUM + "-_", 80),
    "vault": prefixed("hvs.", ALNUM + "-_", 90),
    "jwt": jwt,
    "pem": pem,
    "pem-cut": cut_pem,
    "url": url,
    "basic": basic,
    "bearer": bearer,
    "assigned": assigned,
    "plain-word": plain_word,
    "cluster": cluster,
    "azure": azure,
    "gcp": gcp,
    "hex": random_hex,
    "base64": random_base64,
    "cookie": cookie,
    "divided": divided,
    "encoded": encoded,
}
KNOWN = {
    "job_id": "payments-api-7f3",
    "alloc_id": "3c9a2f1e-77d0-4d30-a6c1-0f8d2a6f1c10",
    "node": "worker-07.dc1.internal",
    "image": "registry.internal/pay/api:4.18.2@sha256:c1a8b9f0a2b44a1ab5c6a3ad20a9d6d4d6c7e5b1c20b4a0f8a1e0d0f5f2b7c31",
}
ORDINARY = (
    "2025-03-04T08:12:40.118Z INFO started orders-api on port 8080, exit code 137, restarts 3, status passing",
    "permission denied: /var/lib/postgresql/data/base/16384/2619 (version 14.2-1.pgdg110+1)",
    "Unexpected token < in JSON at position 0; password authentication failed for user orders",
    "max_tokens=24 tokens: 300 keepalive=30 monkey: banana bypass: on compass=north author: Ann keyspace: main",
    "o.s.b.w.embedded.tomcat.TomcatWebServer on thread http-nio-8080-exec-41 in getSQLQueryForHTTPUrl",
    f"alloc {KNOWN['alloc_id']} of {KNOWN['job_id']} on {KNOWN['node']} runs {KNOWN['image']}",
    "Pulling c1a8b9f0a2b44a1ab5c6a3ad20a9d6d4d6c7e5b1c20b4a0f8a1e0d0f5f2b7c31",
    "the secret of this is to wait; authenticate timed out after 300; session 5 of 9 ended; signal: 9",
)


def survives(secret: str, text: str) -> bool:
    return secret in text or (len(secret) >= 24 and any(secret[i : i + 12] in text for i in range(len(secret) - 11)))


def record(text: str, random: Random) -> JsonValue:
    """A failure's record with the text where it hurts."""
    lines = [*random.sample(ORDINARY, 3), text, *random.sample(ORDINARY, 2)]
    spot = random.choice(["stderr", "events", "key", "prompt", "json"])
    log = "\n".join(lines)
    found: dict[str, JsonValue] = {**KNOWN, "exit_code": 137, "stdout": log if spot == "stderr" else ""}
    if spot == "events":
        found["events"] = [{"type": "Driver Failure", "message": log}]
    if spot == "key":
        found["meta"] = {text: "x"}
    if spot == "prompt":
        found["prompt"] = [{"role": "user", "content": log}]
    if spot == "json":
        found["stdout"] = json.dumps({"level": "error", "msg": text})
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_ten_planted_secrets_of_each_kind_are_gone_and_the_ids_are_there(kind: str):
    for seed in range(10):
        random = Random(f"{kind} {seed}")
        secrets, text = KINDS[kind](random)
        given = record(text, random)
        masked = Redactor(known_ids=KNOWN.values()).redact(given)
        written = json.dumps(masked, ensure_ascii=False)
        left = [secret for secret in secrets if survives(secret, written)]
        assert not left, (given, masked)
        assert isinstance(masked, dict)
        assert {name: masked[name] for name in KNOWN} == KNOWN
        assert masked["exit_code"] == 137


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_lines_stay_as_they_are(text: str):
    assert Redactor(known_ids=KNOWN.values()).redact(text) == text


@given(st.sampled_from(sorted(KINDS)), st.integers(0, 10**9))
@settings(max_examples=300)
def test_no_secret_survives_and_a_second_redaction_changes_nothing(kind: str, seed: int):
    random = Random(seed)
    secrets, text = KINDS[kind](random)
    redactor = Redactor(known_ids=KNOWN.values())
    masked = redactor.redact(record(text, random))
    written = json.dumps(masked, ensure_ascii=False)
    assert not [secret for secret in secrets if survives(secret, written)]
    assert redactor.redact(masked) == masked


@given(st.text(min_size=6, max_size=30).filter(str.strip), st.sampled_from(["{}", "a{}b", "x {} y"]))
def test_a_secret_of_the_process_is_masked_in_every_form(secret: str, around: str):
    from urllib.parse import quote, quote_plus

    if secret.isalpha():
        around = "x {} y"
    redactor = Redactor([secret])
    for form in (secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]):
        masked = redactor.redact({"log": around.format(form), form: "x"})
        assert not redactor.leaks(masked)


@given(st.binary(min_size=12, max_size=40), st.binary(max_size=8), st.binary(max_size=8))
def test_a_secret_of_the_process_is_found_in_base64_of_anything(raw: bytes, before: bytes, after: bytes):
    secret = base64.b85encode(raw).decode()
    text = base64.b64encode(before + secret.encode() + after).decode()
    masked = Redactor([secret]).redact(f"body {text} sent")
    assert isinstance(masked, str)
    assert text not in masked


@given(st.text(max_size=200))
def test_any_text_can_be_redacted_and_a_second_time_changes_nothing(text: str):
    redactor = Redactor(["hunter2-hunter2"])
    once = redactor.redact(text)
    assert redactor.redact(once) == once


def test_equal_secrets_have_equal_placeholders_and_the_key_decides_them():
    text = "password=hunter2-hunter2 and again hunter2-hunter2"
    one, other = Redactor(key=b"one").redact(text), Redactor(key=b"other").redact(text)
    assert isinstance(one, str)
    assert one.partition("=")[2].split()[0] == one.split()[-1]
    assert Redactor(key=b"one").redact(text) == one != other


def test_a_copy_and_a_cut_copy_of_a_secret_are_masked_where_nothing_names_it():
    masked = Redactor().redact(
        {"log": "password=correct-horse-battery-9", "other": ["got correct-horse-ba", "horse-battery-9", "correct"]}
    )
    assert "horse" not in json.dumps(masked)
    assert "correct" in json.dumps(masked)


def test_an_id_beside_a_secrets_name_is_masked_there_and_stays_elsewhere():
    masked = Redactor(known_ids=KNOWN.values()).redact([f"token={KNOWN['alloc_id']}", KNOWN["alloc_id"]])
    assert isinstance(masked, list)
    assert str(masked[0]).startswith("token=<secret:")
    assert masked[1] == KNOWN["alloc_id"]


def test_a_scanner_that_fails_makes_redaction_fail_without_telling_the_text():
    def broken(text: str) -> list[Span]:
        raise ValueError(f"cannot scan {text}")

    with pytest.raises(CannotRedact) as caught:
        Redactor(scanners=[broken]).redact("password=hunter2-hunter2")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "unit", ["a", "a.", "password=", "a://", "-----BEGIN PRIVATE KEY-----\n", "ab\n", 'token="', "cookie:", "sk-", "\\"]
)
def test_a_hostile_text_is_masked_or_refused_but_never_hangs(unit: str):
    try:
        masked = Redactor(["hunter2-hunter2"]).redact(unit * (60_000 // len(unit)) + " hunter2-hunter2")
    except CannotRedact:
        return
    assert "hunter2" not in str(masked)


def test_more_text_or_more_secrets_than_can_be_looked_for_are_refused():
    with pytest.raises(CannotRedact, match="too much text"):
        Redactor().redact(["x" * 2**21] * 3)
    with pytest.raises(CannotRedact, match="secrets"):
        Redactor().redact([f"password=hunter{number}" for number in range(600)])
