"""What looks like a name, a version or a statement beside a word for password is hidden all the same."""

import pytest

from evolve.core.cases.redaction import Redactor

TEXTS = [
    ('The password "correct-horse-battery-staple" was updated', "correct-horse-battery-staple"),
    ("The admin password 'orange-tiger-42' has been created", "orange-tiger-42"),
    ('Password "orange-tiger-42" is expired', "orange-tiger-42"),
    ('Login failed: password "kiwi-tango-77" was rotated yesterday', "kiwi-tango-77"),
    ('password for release "orange-tiger-42"', "orange-tiger-42"),
    ("password: 24.12.1987", "24.12.1987"),
    ("APP_PASSWORD=01.02.1990", "01.02.1990"),
    ('MasterUserPassword: !Sub "Tr0ub4dor-${Env}"', "Tr0ub4dor"),
    ("MasterUserPassword: !Sub Tr0ub4dor99", "Tr0ub4dor99"),
    ("role=arn:aws:iam::123456789012:role/x,password=Tr0ub4dor33", "Tr0ub4dor33"),
    ("source=arn:aws:rds:eu-west-1:123456789012:db:shop,user=kai,password=Tr0ub4dor33,port=5432", "Tr0ub4dor33"),
    ("password: tiger.Lily9(new one)", "tiger.Lily9"),
    ("pw: jonas.Summer24(changed in May)", "jonas.Summer24"),
    ("# HELP the wifi password is Blue77Tango", "Blue77Tango"),
    ("# TYPE password: Blue77Tango!", "Blue77Tango"),
    ("password: state=hunter2", "hunter2"),
    ("password reset state=Tr0ub4dor33", "Tr0ub4dor33"),
    ("token:\ncorrecthorsebatterystap12", "correcthorsebatterystap12"),
    ("token: my-token-abc12", "my-token-abc12"),
    ("what's the wifi password?\nsorry, it's kiwi tango", "kiwi tango"),
    ("what's the password?\nNot sure, kiwi tango I think", "kiwi"),
    ('Which passphrase opens it, "rainy tuesday monkey"?', "tuesday monkey"),
    ("password: otra", "otra"),
    ("password: heute", "heute"),
    ("mot de passe: souvent", "souvent"),
    ("password is schonberg", "schonberg"),
    ("unexpected token: ghp_16C7e42F292c6912E7710c838347Ae178B4a", "ghp_16C7e42F292c6912E7710c838347Ae178B4a"),
    ("In-Reply-To: <jonas.weber@example.org>", "jonas.weber@example.org"),
]
HARMLESS = [
    "INSERT INTO doors (code, a, b, c) VALUES (1, null, null, null)",
    "the exit code and others: two, three, four",
    "the safe was opened by one two three people",
    'secrets "billing-db-credentials" not found',
    "  password: !secret mqtt_zigbee",
    "parse error near line 14: unexpected token: RIGHT_BRACE",
    "    password: Annotated[str, Field(min_length=12)]",
    'client.connect(password=settings.get("mqtt"))',
]


@pytest.mark.parametrize(("text", "secret"), TEXTS)
def test_the_secret_is_hidden(text: str, secret: str):
    assert secret not in str(Redactor().redact({"stderr": text}))


@pytest.mark.parametrize("text", HARMLESS)
def test_nothing_is_hidden(text: str):
    assert Redactor().redact({"stderr": text}) == {"stderr": text}
