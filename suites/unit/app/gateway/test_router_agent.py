import json

import pytest

from pipecatapp.gateway.router_agent import expert_of, shorten


def answer(content):
    return {"choices": [{"message": {"role": "assistant", "content": content}}]}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (answer(json.dumps({"expert": "expert-code"})), "expert-code"),
        (answer(json.dumps({"expert": 3})), ""),
        (answer("expert-code"), ""),
        (answer("[]"), ""),
        (answer(None), ""),
        ({"choices": []}, ""),
        ({"error": {}}, ""),
        (None, ""),
    ],
)
def test_an_answer_names_an_expert_or_none(given, named):
    assert expert_of(given) == named


def test_of_a_long_message_the_beginning_and_the_end_are_shown():
    assert shorten("short") == "short"
    found = shorten("summarize " + "x" * 5000 + " in one line")
    assert found.startswith("summarize x")
    assert found.endswith("x in one line")
    assert len(found) < 1000
