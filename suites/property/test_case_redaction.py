"""No secret survives redaction, and the record's own ids do."""

import base64
import json
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.core.cases.redaction import CannotRedact, Redactor
from evolve.core.cases.secret_shapes import SecretSpan
from evolve.core.model.json_value import JsonValue
from fixtures.planted_secrets import KINDS, survives

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
@settings(max_examples=300, deadline=None)
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
    def broken(text: str) -> list[SecretSpan]:
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
    with pytest.raises(CannotRedact, match="at most 4,194,304 characters"):
        Redactor().redact(["x" * 2**21] * 3)
    with pytest.raises(CannotRedact, match="secrets"):
        Redactor().redact([f"password=hunter{number}" for number in range(600)])
