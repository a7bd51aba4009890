"""What identifies a person, and what only looks like it."""

import pytest

from evolve.core.cases.personal_data import find_personal_data
from evolve.core.cases.redaction import Redactor


def found(text: str) -> list[str]:
    return [text[start:end] for start, end in sorted(find_personal_data(text))]


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("mail from anna.berg+x@mail.example.org refused", "anna.berg+x@mail.example.org"),
        ("call +49 30 901820 now", "+49 30 901820"),
        ("tel (212) 555-0147.", "(212) 555-0147"),
        ("card 4111 1111 1111 1111 declined", "4111 1111 1111 1111"),
        ("amex 378282246310005", "378282246310005"),
        ("IBAN DE89 3704 0044 0532 0130 00 unknown", "DE89 3704 0044 0532 0130 00"),
        ("iban=GB82WEST12345698765432", "GB82WEST12345698765432"),
        ("ssn 078-05-1120", "078-05-1120"),
        ("open /home/anna/.ssh/config: denied", "anna"),
        ("C:\\Users\\j.doe\\app.log is locked", "j.doe"),
        ("/Users/mweber", "mweber"),
    ],
)
def test_personal_data_is_found(text: str, hidden: str):
    assert found(text) == [hidden]


@pytest.mark.parametrize(
    "text",
    [
        "git@git.internal:team/app.git",
        "4111 1111 1111 1112 is no card",
        "DE88 3704 0044 0532 0130 00",
        "at 2026-03-04T08:12:40.118+0100 in 1772611960118 ns",
        "/home/ubuntu/app and /home/runner/work",
        "000-12-3456 and 123-00-4567",
        "version 1.2.3-4567, pid 2914371, 10.0.0.1:5432",
        "root@host-17:/srv",
        "celery-worker-2@host-17",
    ],
)
def test_what_only_looks_like_it_stays(text: str):
    assert found(text) == []


def test_it_is_masked_unless_it_is_kept():
    text = "anna.berg@example.org cannot open /home/anna/x"
    assert Redactor(keeps_personal_data=True).redact(text) == text
    masked = Redactor().redact(text)
    assert isinstance(masked, str)
    assert "anna" not in masked
    assert masked.endswith("/x")
    assert Redactor().redact(masked) == masked
