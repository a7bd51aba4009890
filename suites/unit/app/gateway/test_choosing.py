import asyncio

import pytest

from pipecatapp.gateway.choosing import choose_expert, last_message

TAGS = {"expert-main": ("general",), "expert-code": ("python",)}
REQUEST = {"messages": [{"role": "user", "content": "first"}, {"role": "user", "content": "write code"}]}


class Scripted:
    def __init__(self, answer):
        self.answer = answer
        self.asked = []

    async def choose(self, message, tags):
        self.asked.append((message, dict(tags)))
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer == "late":
            await asyncio.Event().wait()
        return self.answer


@pytest.mark.parametrize(
    ("answer", "chosen"),
    [
        ("expert-code", "expert-code"),
        ("expert-gone", "expert-main"),
        (None, "expert-main"),
        ("late", "expert-main"),
        (ValueError("boom"), "expert-main"),
    ],
    ids=str,
)
def test_a_choice_that_is_unsure_late_or_wrong_is_the_fallback(answer, chosen):
    chooser = Scripted(answer)
    assert asyncio.run(choose_expert(chooser, "expert-main", REQUEST, TAGS)) == chosen
    assert chooser.asked == [("write code", TAGS)]


def test_without_anybody_who_chooses_it_is_the_fallback():
    assert asyncio.run(choose_expert(None, "expert-main", REQUEST, TAGS)) == "expert-main"


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        (None, ""),
        ([], ""),
        ([{"role": "assistant", "content": "a"}], ""),
        ([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url"}]}], "a"),
        ([{"role": "user", "content": "u"}, {"role": "tool", "content": "t"}], "u"),
        ([{"role": "user", "content": None}], ""),
    ],
)
def test_the_last_message_is_the_users(messages, text):
    assert last_message({"messages": messages}) == text
