"""Filter expressions of lists, as recording 27 has them."""

import pytest

from evolve.cluster.standin.filtering import BadFilter, matcher

WEB = {"ID": "pg-1", "Status": "dead", "Priority": 77, "Stop": False, "Meta": {"k": "3"}, "Datacenters": ["dc1"]}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ('Status == "dead" and ID matches "^pg-[0-2]"', True),
        ('Status != "dead"', False),
        ("Priority == 77", True),
        ("Stop == false", True),
        ('Meta.k == "3"', True),
        ('Meta.other == "3"', False),
        ('"dc1" in Datacenters', True),
        ('"dc2" not in Datacenters', True),
        ('Datacenters contains "dc2"', False),
        ('not (Status == "dead" or Priority == 1)', False),
        ("Meta is empty", False),
        ("Meta is not empty", True),
        ('ID not matches "^web"', True),
    ],
)
def test_an_expression_chooses(text, matches):
    assert matcher(text)(WEB) is matches


@pytest.mark.parametrize("text", ["Status = ", "Status ==", "(Status == x", 'Status == "a" extra', "Status like x"])
def test_a_wrong_expression_is_refused(text):
    with pytest.raises(BadFilter, match="failed to read filter expression: 1:"):
        matcher(text)


def test_an_unknown_field_is_refused():
    with pytest.raises(BadFilter, match='struct field with name "Nope"'):
        matcher('Nope == "3"')(WEB)
