import asyncio

import pytest

from pipecatapp.gateway.choosing import choose_expert, last_message

LIMIT_S = 0.3
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
        ("expert-code", ("expert-code", "chosen")),
        ("expert-gone", ("expert-main", "unsure")),
        (None, ("expert-main", "unsure")),
        ("late", ("expert-main", "late")),
        (ValueError("boom"), ("expert-main", "failed")),
    ],
    ids=str,
)
def test_a_choice_that_is_unsure_late_or_wrong_is_the_fallback(answer, chosen):
    chooser = Scripted(answer)
    assert asyncio.run(choose_expert(chooser, "expert-main", REQUEST, TAGS, LIMIT_S)) == chosen
    assert chooser.asked == [("write code", TAGS)]


def test_without_anybody_who_chooses_it_is_the_fallback():
    assert asyncio.run(choose_expert(None, "expert-main", REQUEST, TAGS, LIMIT_S)) == ("expert-main", "no choice")


@pytest.mark.parametrize("tags", [{}, {"expert-main": ()}])
def test_nobody_is_asked_where_the_fallback_is_all_there_is(tags):
    chooser = Scripted("expert-main")
    assert asyncio.run(choose_expert(chooser, "expert-main", REQUEST, tags, LIMIT_S)) == ("expert-main", "no choice")
    assert chooser.asked == []


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
