"""The answer to a question for a password is hidden, in every form in which turns are written."""

import json

import pytest

from evolve.core.cases.conversations import find_conversation_answers

HIDDEN = (
    ("A: What is the code for the gate?\nB: it is grey-heron-15", "grey-heron-15"),
    ("<eva> what's the root password of nas2\n<tim> sec\n<tim> Marzipan-4x", "Marzipan-4x"),
    ("[09:14] Petra: wie komme ich ins WLAN?\n[09:14] Olaf: mit Heizung4Kalt", "Heizung4Kalt"),
    (
        "- role: user\n  content: what is the password?\n- role: assistant\n  content: Sure. It is saltcellar today.",
        "saltcellar",
    ),
    (
        json.dumps(
            [{"role": "user", "content": "the passphrase?"}, {"role": "assistant", "content": "lark-pebble-moss"}]
        ),
        "lark-pebble-moss",
    ),
    ("Caller: what is the alarm code? Operator: that would be 4417.", "4417"),
    ("<p>Tim: how did you get in?</p><p>Eva: with Side.D00r!x</p>", "Side.D00r!x"),
)
KEPT = (
    "Q: What is the password policy?\nA: At least twelve characters.",
    "A: What is the code for?\nB: It parses the header of version 2 files.",
    "user: I forgot my password\nassistant: I can send you a reset link.",
    "user: which node is down?\nassistant: gpu-node-07",
    "Q: how do I log in?\nA: Click the button at the top.",
)


def _found(text: str) -> list[str]:
    return [text[slice(*span)] for span in find_conversation_answers(text)]


@pytest.mark.parametrize(("text", "secret"), HIDDEN)
def test_the_answer_to_a_question_for_a_password_is_found(text: str, secret: str):
    assert any(secret in one for one in _found(text))


@pytest.mark.parametrize("text", KEPT)
def test_other_answers_stay(text: str):
    assert _found(text) == []
